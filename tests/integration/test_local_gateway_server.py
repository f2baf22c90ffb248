"""Behind a real server, a refused upload ends in a readable 413 and leaves the connection usable."""

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from local.gateway import LocalGateway
from local.template import load

TEMPLATE = load(Path(__file__).parents[2] / "template.yaml")
MEBIBYTE = b"x" * 2**20
PATH = "/v1/chat/completions"


class Server(uvicorn.Server):
    def __init__(self, app: LocalGateway) -> None:
        super().__init__(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none", lifespan="on"))
        self.up = threading.Event()

    async def startup(self, sockets: object = None) -> None:
        await super().startup()
        self.up.set()

    @property
    def port(self) -> int:
        return int(self.servers[0].sockets[0].getsockname()[1])


async def count(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the number of body bytes."""
    if scope["type"] == "lifespan":
        return
    length = 0
    more = True
    while more:
        message = await receive()
        length += len(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": str(length).encode()})


@pytest.fixture
def connection() -> Iterator[http.client.HTTPConnection]:
    apps = dict.fromkeys(TEMPLATE.functions(), count)
    server = Server(LocalGateway(TEMPLATE.routes(), apps, TEMPLATE.gateway_responses()))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.up.wait(20)
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    yield client
    client.close()
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_a_client_that_sends_everything_first_still_sees_the_413(
    connection: http.client.HTTPConnection, chunked: bool
) -> None:
    headers = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(24 * len(MEBIBYTE))}
    connection.request("POST", PATH, iter([MEBIBYTE] * 24), headers, encode_chunked=chunked)
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["error"]["code"] == "request_too_large"

    connection.request("POST", PATH, b"{}")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"2")


def test_a_chunked_body_within_the_limit_arrives_whole(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", PATH, iter([MEBIBYTE] * 5), encode_chunked=True)
    assert json.loads(connection.getresponse().read()) == 5 * len(MEBIBYTE)
