"""The apps behind the local gateway start in order, stop in reverse, and their failures are told."""

from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.gateway import LocalGateway
from local.template import Route, load
from tests.support.echo_app import Echo

RESPONSES = load(Path(__file__).parents[2] / "template.yaml").gateway_responses()


class Server:
    """The server's side of a lifespan: feeds its messages, keeps the answers."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self._messages = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive(self) -> Message:
        return {"type": next(self._messages)}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def run(self, app: ASGIApp) -> list[str]:
        await app({"type": "lifespan"}, self.receive, self.send)
        return [message["type"] for message in self.sent]


def mounted(**apps: ASGIApp) -> LocalGateway:
    return LocalGateway([Route(f"/{name}", "GET", name) for name in apps], apps, RESPONSES)


async def test_apps_start_in_order_stop_in_reverse_and_only_once() -> None:
    log: list[str] = []
    first = Echo("first", log)
    answers = await Server().run(mounted(a=first, b=Echo("second", log), c=first))
    assert answers == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert log == ["first startup", "second startup", "second shutdown", "first shutdown"]


async def test_what_an_apps_lifespan_leaves_reaches_its_own_requests() -> None:
    gateway = mounted(a=Echo("a", state={"pool": 1}), b=Echo("b"))
    await Server().run(gateway)
    transport = httpx.ASGITransport(app=gateway)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        assert (await http.get("/a")).json()["state"] == {"pool": 1}
        assert (await http.get("/b")).json()["state"] == {}


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise ValueError("no table")


async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no table"})


@pytest.mark.parametrize("app", [broken, refusing])
async def test_a_failed_start_stops_those_before_it_and_is_reported(app: ASGIApp) -> None:
    log: list[str] = []
    server = Server()
    answers = await server.run(mounted(a=Echo("a", log), b=app, c=Echo("c", log)))
    assert answers == ["lifespan.startup.failed"]
    assert "no table" in server.sent[0]["message"]
    assert log == ["a startup", "a shutdown"]


async def test_a_failed_stop_is_reported_and_the_others_stop_all_the_same() -> None:
    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise ValueError("cannot close")

    log: list[str] = []
    server = Server()
    answers = await server.run(mounted(a=Echo("a", log), b=stubborn))
    assert answers == ["lifespan.startup.complete", "lifespan.shutdown.failed"]
    assert "cannot close" in server.sent[1]["message"]
    assert log == ["a startup", "a shutdown"]
