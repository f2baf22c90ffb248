"""The app factory: one process, set up once and closed, and answers that are whole."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import orjson
import pytest
from starlette.datastructures import State

from multiconnection.catalog import routes as catalog_routes
from multiconnection.money import nano_to_usd
from multiconnection.usage import Ended
from multiconnection.web.app import Process, ProcessHolder, create_app
from tests.support.assertions import assert_common_headers, assert_error
from tests.support.chat_app import ROUTERS, ChatApp
from tests.support.chat_world import MESSAGES, ChatWorld, a_model
from tests.support.fake_upstream import DONE, TEXT, USAGE, Attempt, outcome

pytestmark = pytest.mark.virtual_time


COST = (10 * 1000 + 4 * 250 + 3 * 2000) / 10**9
Message = MutableMapping[str, Any]


async def test_the_process_is_set_up_once_and_closed_at_the_end() -> None:
    world, made = ChatWorld(), []

    def set_up(state: State) -> Process:
        made.append(1)
        return world.set_up(state)

    app = create_app(set_up, [catalog_routes.router])
    received = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Message] = []

    async def receive() -> Message:
        return received.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "lifespan", "state": {}}, receive, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert (made, world.closed) == ([1], True)


async def test_where_no_lifespan_runs_the_first_request_makes_it() -> None:
    world = ChatWorld()
    holder = ProcessHolder(lambda: world.set_up(State()))
    assert holder.get() is holder.get()
    await holder.close()
    await holder.close()
    assert world.closed


async def test_a_chat_is_json_with_its_cost() -> None:
    async with ChatApp(ChatWorld()) as app:
        response = await app.chat()
    assert_common_headers(response)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json()["usage"]["cost"] == COST


async def test_a_stream_is_events_as_they_come() -> None:
    async with ChatApp(ChatWorld()) as app:
        response = await app.chat(stream=True)
    assert_common_headers(response)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    assert "content-length" not in response.headers
    assert response.content == b"".join([*TEXT, DONE])


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream", "*/*"])
async def test_only_the_body_decides_whether_an_answer_is_streamed(accept: str) -> None:
    async with ChatApp(ChatWorld()) as app:
        for stream, media_type in ((True, "text/event-stream; charset=utf-8"), (False, "application/json")):
            response = await app.chat(stream=stream, headers={"accept": accept})
            assert response.headers["content-type"] == media_type


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_the_request_id_leads_to_the_usage_row(stream: bool) -> None:
    async with ChatApp(ChatWorld()) as app:
        request_id = (await app.chat(stream=stream)).headers["x-request-id"]
        response = await app.get(f"/v1/usage/{request_id}")
        (row,) = await app.world.rows()
    assert response.json() == {
        "object": "usage",
        "request_id": request_id,
        "model": "m-1",
        "usage": USAGE.as_openai(),
        "cost": f"{COST:.9f}",
        "currency": "USD",
        "price_version": 7,
        "ended": "complete",
        "usage_source": "upstream",
        "created": 1_800_000_000,
        "key_id": row.key_id,
        "provider": "one",
        "attempts": 1,
        "streamed": stream,
        "duration_ms": 0,
        "endpoint": "chat.completions",
        "overrun": "0.000000000",
    }


async def test_the_balance_falls_by_exactly_the_cost() -> None:
    async with ChatApp(ChatWorld()) as app:
        assert (await app.get("/v1/balance")).json() == {
            "object": "balance",
            "currency": "USD",
            "available": "1.000000000",
            "in_flight": "0.000000000",
        }
        await app.chat()
        left = (await app.get("/v1/balance")).json()
    assert left["available"] == nano_to_usd(10**9 - 17_000)


async def test_models_are_listed_and_found_by_raw_and_encoded_ids() -> None:
    other = a_model(id="vendor/m-2:free", code="m02", aliases=[])
    async with ChatApp(ChatWorld(a_model(), other)) as app:
        listed = (await app.get("/v1/models")).json()
        assert (listed["object"], [model["id"] for model in listed["data"]]) == ("list", ["m-1", "vendor/m-2:free"])
        for path in ("vendor/m-2:free", "vendor%2Fm-2%3Afree", "vendor%2Fm-2:free"):
            assert (await app.get(f"/v1/models/{path}")).json()["id"] == "vendor/m-2:free"
        assert_error(await app.get("/v1/models/vendor%2Fm-3"), "model_not_found", 404)


async def test_the_price_list_is_public_cacheable_and_names_its_units() -> None:
    async with ChatApp(ChatWorld()) as app:
        response = await app.http.get("/api/models")
    assert_common_headers(response)
    assert response.headers["cache-control"] == "public, max-age=60"
    body = response.json()
    assert (body["object"], body["currency"]) == ("list", "USD")
    assert body["data"][0]["prices"].keys() <= body["units"].keys()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/v1/anything/at/all", "/api/models", "/"])
async def test_a_preflight_needs_no_key_and_allows_what_was_asked_for(path: str) -> None:
    asked = "authorization, content-type, x-stainless-lang, x-unheard-of"
    async with ChatApp(ChatWorld()) as app:
        response = await app.http.options(
            path,
            headers={
                "origin": "https://app.example",
                "access-control-request-method": "POST",
                "access-control-request-headers": asked,
            },
        )
        plain = await app.http.options(path)
    assert (response.status_code, response.content) == (204, b"")
    assert_common_headers(response)
    assert response.headers["access-control-allow-headers"] == asked
    assert {"GET", "POST", "DELETE", "OPTIONS"} <= set(response.headers["access-control-allow-methods"].split(", "))
    assert int(response.headers["access-control-max-age"]) > 0
    assert plain.headers["access-control-allow-headers"] == "authorization, content-type"


async def test_an_answer_tells_the_limits_of_its_key_and_an_anonymous_one_those_of_its_address() -> None:
    world = ChatWorld()
    app = ChatApp(world)
    async with app.http:
        app.secret = await world.open(requests_per_minute=7, tokens_per_minute=9000)
        ours, anonymous = await app.get("/v1/models"), await app.http.get("/api/models")
    assert ours.headers["x-ratelimit-limit-requests"] == "7"
    assert ours.headers["x-ratelimit-limit-tokens"] == "9000"
    assert anonymous.headers["x-ratelimit-limit-requests"] == "12000"
    assert anonymous.headers["x-ratelimit-limit-tokens"] == "2000000"


@pytest.mark.parametrize("path", ["/api/models", "/v1/nope", "/v1/models"])
async def test_head_is_get_without_its_body(path: str) -> None:
    async with ChatApp(ChatWorld()) as app:
        head, get = [await app.http.request(method, path) for method in ("HEAD", "GET")]
    assert (head.status_code, head.content) == (get.status_code, b"")
    for name in ("content-length", "content-type"):
        assert head.headers[name] == get.headers[name]


async def test_every_request_has_an_id_of_its_own() -> None:
    async with ChatApp(ChatWorld()) as app:
        found = {(await app.http.get("/api/models")).headers["x-request-id"] for _ in range(50)}
    assert len(found) == 50


# --- the answer on its way out


class Sending:
    """A server whose `send` fails or is cancelled at the n-th message."""

    def __init__(self, fails_at: int, error: BaseException) -> None:
        self.messages: list[Message] = []
        self._fails_at, self._error = fails_at, error

    async def __call__(self, message: Message) -> None:
        await asyncio.sleep(0)
        if len(self.messages) >= self._fails_at:
            raise self._error
        self.messages.append(message)


async def sent_through(app: ChatApp, send: Sending, **body: Any) -> None:
    raw = orjson.dumps({"model": "m-1", "messages": MESSAGES, **body})
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/chat/completions",
        "raw_path": b"/v1/chat/completions",
        "query_string": b"",
        "scheme": "http",
        "server": ("gateway", 80),
        "client": ("192.0.2.1", 1),
        "headers": [(b"authorization", f"Bearer {app.secret}".encode())],
    }
    received = [{"type": "http.request", "body": raw, "more_body": False}]

    async def receive() -> Message:
        return received.pop(0) if received else {"type": "http.disconnect"}

    try:
        await app.app(scope, receive, send)
    except (OSError, asyncio.CancelledError):
        return


@pytest.mark.parametrize("fails_at", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("error", [BrokenPipeError(), asyncio.CancelledError()], ids=["left", "cancelled"])
async def test_wherever_the_sending_of_a_stream_fails_the_call_is_settled(fails_at: int, error: BaseException) -> None:
    async with ChatApp(ChatWorld()) as app:
        await sent_through(app, Sending(fails_at, error), stream=True)
        await asyncio.sleep(0)
        row = await app.world.settled_row()
    assert row.ended in (Ended.COMPLETE, Ended.DEADLINE)
    assert row.cost > 0


@pytest.mark.parametrize("fails_at", [0, 1])
async def test_a_whole_answer_is_charged_before_it_is_sent(fails_at: int) -> None:
    async with ChatApp(ChatWorld()) as app:
        await sent_through(app, Sending(fails_at, BrokenPipeError()))
        assert (await app.world.settled_row()).ended is Ended.COMPLETE


async def test_an_exception_after_the_start_of_an_answer_adds_no_second_answer() -> None:
    async with ChatApp(ChatWorld()) as app:
        app.world.upstream.attempts = [Attempt(chunks=[TEXT[0], KeyError("a bug")], ends=outcome())]
        send = Sending(1000, RuntimeError())
        await sent_through(app, send, stream=True)
        await app.world.settled_row()
    starts = [message for message in send.messages if message["type"] == "http.response.start"]
    assert [message["status"] for message in starts] == [200]
    whole = b"".join(message.get("body", b"") for message in send.messages)
    assert b'"code":"internal_error"' in whole
    assert DONE not in whole


async def test_the_routers_are_independent_apps() -> None:
    for router in ROUTERS:
        async with ChatApp(ChatWorld(), [router]) as app:
            assert_error(await app.http.get("/v1/nothing"), "unknown_url", 404)
