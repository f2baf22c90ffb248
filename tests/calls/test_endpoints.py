"""Every paid endpoint over ASGI: its price, refusals before any money moves, and failures before an answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest

from multiconnection.money import nano_to_usd
from multiconnection.providers.errors import AnswerTimedOut, ConnectFailed, ConnectionCut, TransportFailure
from multiconnection.usage import Ended, UsageSource
from multiconnection.web.app import create_app
from tests.support.assertions import assert_common_headers, assert_error
from tests.support.chat_app import ROUTERS, ChatApp
from tests.support.endpoints import ALL, Endpoint, EndpointWorld, Received, ask, send
from tests.support.fake_http import EVENTS, JSON, FakeReply, event_reply, json_reply, typed_reply
from tests.support.speech_world import AUDIO

pytestmark = pytest.mark.virtual_time

FREE = {"/v1/moderations", "/v1/uploads"}
JSON_BODIES = [endpoint for endpoint in ALL if not endpoint.is_form]
every_endpoint = pytest.mark.parametrize("endpoint", ALL, ids=lambda endpoint: endpoint.name)
Reply = FakeReply | TransportFailure


def app(*replies: Reply, **environment: str) -> ChatApp:
    return ChatApp(EndpointWorld(*replies, environment=environment))


def test_every_paid_route_is_in_the_table() -> None:
    routes = {route.path for router in ROUTERS for route in router.routes if "POST" in getattr(route, "methods", ())}
    assert {endpoint.path for endpoint in ALL} == routes - FREE


@every_endpoint
async def test_a_good_answer_is_charged_its_price(endpoint: Endpoint) -> None:
    async with app(endpoint.answer()) as gateway:
        got = await ask(gateway, endpoint)
        assert (got.status, got.is_whole) == (200, True)
        assert_common_headers(got.response)
        row = await gateway.world.settled_row()
        assert (row.ended, row.cost, row.overrun, row.attempts) == (Ended.COMPLETE, endpoint.cost, 0, 1)
        assert (row.endpoint, row.model, row.streamed) == (endpoint.kind, endpoint.model, endpoint.streamed)
        assert row.usage_source is endpoint.source
        told = await gateway.get(f"/v1/usage/{got.headers['x-request-id']}")
        assert (told.json()["cost"], told.json()["ended"]) == (nano_to_usd(endpoint.cost), "complete")


@every_endpoint
async def test_an_answer_has_its_type_and_shows_its_cost_where_it_has_room(endpoint: Endpoint) -> None:
    async with app(endpoint.answer()) as gateway:
        got = await ask(gateway, endpoint)
    if endpoint.streamed:
        assert (got.headers["cache-control"], got.headers["x-accel-buffering"]) == ("no-cache", "no")
    if endpoint.is_raw:
        assert got.headers["content-type"] == "audio/mpeg"
        assert got.content == b"".join(AUDIO)
        return
    assert got.headers["content-type"] == (EVENTS if endpoint.streamed else JSON)
    if not endpoint.path.endswith("completions") or not endpoint.streamed:
        assert f'"cost":{nano_to_usd(endpoint.cost)}'.encode() in got.content
    if endpoint.stream is not None:
        assert endpoint.stream.done in got.content
    is_chunks = endpoint.kind in ("chat.completions", "completions")
    assert (b"[DONE]" in got.content) is (endpoint.streamed and is_chunks)


@every_endpoint
async def test_the_hot_path_and_fastapi_answer_alike(endpoint: Endpoint) -> None:
    world = EndpointWorld(endpoint.answer(), endpoint.answer())
    async with ChatApp(world) as gateway:
        hot = await ask(gateway, endpoint)
        gateway.app = create_app(world.set_up, ROUTERS)
        slow = await ask(gateway, endpoint)
    assert (hot.status, slow.status) == (200, 200)
    assert hot.headers.keys() == slow.headers.keys()
    assert hot.content == slow.content


async def refused(gateway: ChatApp, request: httpx.Request, status: int, code: str | None) -> dict[str, Any]:
    """The error of a request that never reaches the ledger or a provider."""
    got = await send(gateway, request)
    error = assert_error(got.response, code, status)
    await gateway.world.assert_untouched()
    return error


def raw(endpoint: Endpoint, gateway: ChatApp, content: bytes, **headers: str) -> httpx.Request:
    """The endpoint with another body, by default of the type that it takes."""
    usual = endpoint.request({})
    given = {"authorization": f"Bearer {gateway.secret}", "content-type": usual.headers["content-type"]}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Request("POST", usual.url, content=content, headers=given | named)


@every_endpoint
async def test_the_key_is_looked_at_before_the_body(endpoint: Endpoint) -> None:
    async with app() as gateway:
        request = raw(endpoint, gateway, b"no body of any kind", authorization="Bearer sk-live-nope")
        await refused(gateway, request, 401, "invalid_api_key")
        del request.headers["authorization"]
        await refused(gateway, httpx.Request("POST", request.url, content=b"x"), 401, "api_key_required")


@every_endpoint
async def test_a_balance_that_is_just_enough_serves_and_a_nano_dollar_less_does_not(endpoint: Endpoint) -> None:
    async with app(endpoint.answer(), endpoint.answer()) as gateway:
        await ask(gateway, endpoint)
        hold = (await gateway.world.settled_row()).hold
        assert hold >= endpoint.cost
        gateway.world.http.posted.clear()
        gateway.secret = await gateway.world.open(nano_to_usd(hold - 1), account_id="a2")
        got = await ask(gateway, endpoint)
        error = assert_error(got.response, "insufficient_balance", 402)
        assert (error["available"], error["required"]) == (nano_to_usd(hold - 1), nano_to_usd(hold))
        # Only where a limit of tokens exists can a lower one help.
        assert ("affordable_max_tokens" in error) is (endpoint.kind in ("chat.completions", "completions"))
        assert ("max_tokens" in error["message"]) is ("affordable_max_tokens" in error)
        assert gateway.world.http.posted == []
        assert await gateway.world.rows("a2") == []
        await gateway.world.credit("0.000000001", "a2")
        assert (await ask(gateway, endpoint)).status == 200


@every_endpoint
async def test_only_known_models_of_the_key_and_of_the_kind_serve(endpoint: Endpoint) -> None:
    async with app() as gateway:
        key = {"authorization": f"Bearer {gateway.secret}"}
        unknown = await refused(gateway, endpoint.request(key, model="nope"), 404, "model_not_found")
        wrong = "m-1" if endpoint.model == "e-1" else "e-1"
        wrong_kind = await refused(gateway, endpoint.request(key, model=wrong), 400, None)
        _, secret = await gateway.world.keys.issue("a1", "narrow", models=("another",))
        narrow = endpoint.request({"authorization": f"Bearer {secret}"})
        forbidden = await refused(gateway, narrow, 403, "model_not_allowed")
    assert {error["param"] for error in (unknown, wrong_kind, forbidden)} == {"model"}


@every_endpoint
async def test_other_methods_are_not_allowed(endpoint: Endpoint) -> None:
    async with app() as gateway:
        for method in ("GET", "PUT", "DELETE"):
            got = await send(gateway, httpx.Request(method, f"http://gateway{endpoint.path}"))
            assert_error(got.response, "method_not_allowed", 405)
            assert got.headers["allow"] == "POST"


@every_endpoint
async def test_a_body_that_is_too_large_is_sent_to_uploads(endpoint: Endpoint) -> None:
    async with app(BODY_BYTES_MAX="90000") as gateway:
        whole = endpoint.request({})
        request = raw(endpoint, gateway, whole.read() + b" " * 90_000, content_type=whole.headers["content-type"])
        assert "POST /v1/uploads" in (await refused(gateway, request, 413, "request_too_large"))["message"]


@every_endpoint
async def test_a_body_of_another_type_or_encoding_is_refused(endpoint: Endpoint) -> None:
    async with app() as gateway:
        for headers in ({"content_type": "text/plain"}, {"content_encoding": "gzip"}):
            request = raw(endpoint, gateway, endpoint.request({}).read(), **headers)
            await refused(gateway, request, 415, "unsupported_media_type")
        if endpoint.kind in ("audio.transcriptions", "audio.translations"):
            request = raw(endpoint, gateway, b"{}", content_type=JSON)
            await refused(gateway, request, 415, "unsupported_media_type")


@every_endpoint
async def test_a_body_that_cannot_be_parsed_is_refused(endpoint: Endpoint) -> None:
    async with app() as gateway:
        whole = endpoint.request({})
        request = raw(endpoint, gateway, whole.read()[:-3], content_type=whole.headers["content-type"])
        assert "could not parse" in (await refused(gateway, request, 400, None))["message"]


@pytest.mark.parametrize("endpoint", JSON_BODIES, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("content", [b"[1]", b'"text"', b"7", b"null", b'{"x":' + b"[" * 3000 + b"]" * 3000 + b"}"])
async def test_a_body_that_is_no_object_or_nested_too_deeply_is_refused(endpoint: Endpoint, content: bytes) -> None:
    async with app() as gateway:
        await refused(gateway, raw(endpoint, gateway, content), 400, None)


@pytest.mark.parametrize("endpoint", JSON_BODIES, ids=lambda endpoint: endpoint.name)
async def test_a_body_without_fields_names_one_that_is_missing(endpoint: Endpoint) -> None:
    async with app() as gateway:
        error = await refused(gateway, raw(endpoint, gateway, b"{}"), 400, "missing_required_parameter")
        assert error["param"] in ("model", *endpoint.fields)


@every_endpoint
async def test_a_key_above_its_limit_waits(endpoint: Endpoint) -> None:
    async with app(endpoint.answer()) as gateway:
        _, gateway.secret = await gateway.world.keys.issue("a1", "slow", requests_per_minute=1)
        assert (await ask(gateway, endpoint)).status == 200
        got = await ask(gateway, endpoint)
        assert_error(got.response, "rate_limited", 429)
        assert 0 < float(got.headers["retry-after"]) <= 60
        assert len(gateway.world.http.posted) == len(await gateway.world.rows()) == 1


REFUSAL = {"error": {"message": "Bad value.", "type": "invalid_request_error", "param": "p", "code": "bad_value"}}
SERVER_ERROR = {"error": {"message": "boom", "type": "server_error", "code": "oops"}}
CUT = ConnectionCut("cut")


@dataclass(frozen=True)
class Failure:
    """A reply before any part of an answer, and what the caller gets. A 400 is not tried elsewhere."""

    name: str
    reply: Callable[[Endpoint], Reply]
    code: str = "upstream_error"
    status: int = 502
    ended: Ended = Ended.UPSTREAM_ERROR


def media_type(endpoint: Endpoint) -> str:
    return endpoint.answer().headers["content-type"]


FAILURES = [
    Failure("cannot be reached", lambda _: ConnectFailed("no")),
    Failure("never answers", lambda _: AnswerTimedOut("no"), "upstream_timeout", 504),
    Failure("500", lambda _: json_reply({"error": "x"}, 500)),
    Failure("429", lambda _: json_reply({"error": "x"}, 429), "rate_limited", 429),
    Failure("our key is refused", lambda _: json_reply({"error": "x"}, 401), "upstream_auth_error"),
    Failure("400", lambda _: json_reply(REFUSAL, 400), "bad_value", 400),
    Failure("a refusal with 200", lambda _: json_reply(REFUSAL), "bad_value", 400),
    Failure("an error with 200", lambda _: json_reply(SERVER_ERROR)),
    Failure("torn JSON", lambda _: typed_reply(JSON, b"{")),
    Failure("a list", lambda _: typed_reply(JSON, b"[1]")),
    Failure("empty", lambda endpoint: typed_reply(media_type(endpoint)), ended=Ended.EMPTY),
    Failure("empty, of no type", lambda _: typed_reply(None), ended=Ended.EMPTY),
    Failure("blank JSON", lambda _: typed_reply(JSON, b" "), ended=Ended.EMPTY),
    Failure("cut JSON", lambda _: typed_reply(JSON, b'{"te', CUT)),
    Failure("cut at once", lambda endpoint: typed_reply(media_type(endpoint), CUT)),
]
EVENT_FAILURES = [
    Failure("an error event first", lambda endpoint: event_reply(endpoint.error_event)),
    Failure("no event", lambda _: event_reply(b": nothing\n\n"), ended=Ended.EMPTY),
    Failure("unknown events", lambda _: event_reply(b'data: {"type":"x"}\n\n'), ended=Ended.EMPTY),
    Failure("an event that is a list", lambda _: event_reply(b"data: [1]\n\n")),
    Failure("an event that is no JSON", lambda _: event_reply(b"data: {\n\n")),
]


def a_page(endpoint: Endpoint) -> Failure:
    """An HTML page is an error; image streams read it as events, of which there are none."""
    of_images = endpoint.streamed and endpoint.kind.startswith("images.")
    return Failure("a page", lambda _: typed_reply("text/html", b"<html>"), ended=Ended.EMPTY if of_images else ERROR)


ERROR = Ended.UPSTREAM_ERROR
CASES = [
    pytest.param(endpoint, failure, id=f"{failure.name}, {endpoint.name}")
    for endpoint in ALL
    for failure in (*FAILURES, a_page(endpoint), *(EVENT_FAILURES if endpoint.asks_for_events else ()))
]


@pytest.mark.parametrize(("endpoint", "failure"), CASES)
async def test_a_provider_that_fails_before_its_answer_is_not_paid(endpoint: Endpoint, failure: Failure) -> None:
    async with app(failure.reply(endpoint), failure.reply(endpoint)) as gateway:
        got = await ask(gateway, endpoint)
        error = assert_error(got.response, failure.code, failure.status)
        if failure.code == "bad_value":
            assert (error["message"], error["param"]) == ("Bad value.", "p")
        row = await gateway.world.settled_row()
        assert (row.ended, row.usage_source, row.cost) == (failure.ended, UsageSource.NONE, 0)
        assert row.attempts == (1 if failure.status == 400 else 2)
        assert (await gateway.world.account()).available == 10**9


@every_endpoint
async def test_another_provider_takes_over_and_one_charge_is_made(endpoint: Endpoint) -> None:
    async with app(json_reply({"error": "x"}, 500), endpoint.answer()) as gateway:
        assert (await ask(gateway, endpoint)).status == 200
        row = await gateway.world.settled_row()
        assert (row.provider, row.attempts, row.cost) == ("two", 2, endpoint.cost)
        hosts = [httpx.URL(posted.url).host for posted in gateway.world.http.posted]
        assert hosts == ["api.one.example", "api.two.example"]
        assert gateway.world.http.posted[1].body != gateway.world.http.posted[0].body


@every_endpoint
async def test_silence_until_the_deadline_is_an_error_that_costs_nothing(endpoint: Endpoint) -> None:
    async with app(typed_reply(media_type(endpoint), 10_000.0)) as gateway:
        got = await ask(gateway, endpoint)
        assert code_of(got) == "upstream_timeout"
        # Events began with comments; nothing else could say that it is still alive.
        assert got.status == (200 if endpoint.streamed and not endpoint.is_raw else 504)
        await asyncio.sleep(1)
        row = await gateway.world.settled_row()
        assert (row.ended, row.cost, row.usage_source) == (Ended.DEADLINE, 0, UsageSource.NONE)


@every_endpoint
async def test_a_call_that_is_cancelled_before_its_answer_is_settled_and_hangs_up(endpoint: Endpoint) -> None:
    async with app(typed_reply(media_type(endpoint), 10_000.0)) as gateway:
        task = asyncio.ensure_future(ask(gateway, endpoint))
        await asyncio.sleep(10)
        assert (await gateway.world.account()).live_holds == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        row = await gateway.world.settled_row()
        assert (row.ended, row.cost) == (Ended.DEADLINE if endpoint.streamed else Ended.INTERNAL_ERROR, 0)


def code_of(got: Received) -> str:
    """The code of an error, by status or in the last event."""
    body = got.content if got.status != 200 else got.events.rstrip().rpartition(b"data: ")[2]
    code = orjson.loads(body)["error"]["code"]
    assert isinstance(code, str)
    return code
