"""Every failure, from every layer, in the one shape and with the headers of every answer."""

import logging

import httpx
import pytest
from fastapi import APIRouter
from starlette.exceptions import HTTPException

from multiconnection.errors import GatewayError
from multiconnection.ledger.models import SUSPENDED
from multiconnection.retry import StoreUnavailable
from tests.support.assertions import assert_error
from tests.support.chat_app import ROUTERS, ChatApp
from tests.support.chat_world import ChatWorld
from tests.support.errors import ALL, SAMPLES
from tests.support.fake_upstream import Attempt, failed

pytestmark = pytest.mark.virtual_time


def raising(error: Exception) -> APIRouter:
    router = APIRouter()

    @router.get("/raises")
    async def route() -> None:
        raise error

    @router.get("/items/{number}")
    async def numbered(number: int, limit: int = 1) -> None:
        """Validated by the framework."""

    return router


async def answer_to(error: Exception, path: str = "/raises") -> httpx.Response:
    async with ChatApp(ChatWorld(), [raising(error)]) as app:
        return await app.get(path)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: str(kind.__name__))
async def test_every_class_becomes_its_status_and_its_object(kind: type[GatewayError]) -> None:
    sample = SAMPLES[kind]
    response = await answer_to(sample)
    assert_error(response, sample.code, sample.http_status)
    assert response.json() == sample.body()
    for name, value in sample.headers().items():
        assert response.headers[name] == value


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1"),
        ("POST", "/v1/foo"),
        ("GET", "/v1/chat"),
        ("POST", "/v1/chat/completions/x"),
        ("GET", "/v2/models"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/v1/usage/a/b"),
        ("DELETE", "/api/nothing"),
    ],
)
async def test_an_unknown_url_is_404(method: str, path: str) -> None:
    async with ChatApp(ChatWorld()) as app:
        error = assert_error(await app.http.request(method, path), "unknown_url", 404)
    assert error["message"] == f"Invalid URL ({method} {path})."


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/v1/v1/models", "/v1/models"),
        ("/api/v1/embeddings", "/v1/embeddings"),
        ("/v1/chat/completions/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/embeddings/embeddings", "/v1/embeddings"),
        ("/v1" * 5000, None),
    ],
)
async def test_a_base_url_with_too_much_is_told_apart(path: str, meant: str | None) -> None:
    async with ChatApp(ChatWorld()) as app:
        error = assert_error(await app.http.post(path), "unknown_url", 404)
    hint = f" Did you mean {meant}? Use a base URL that ends in /v1."
    assert error["message"].endswith(hint if meant else " Use a base URL that ends in /v1.")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/m-1", "GET"),
        ("PATCH", "/v1/balance", "GET"),
        ("POST", "/v1/usage/req_000000000000", "GET"),
        ("PUT", "/api/models", "GET"),
    ],
)
async def test_a_wrong_method_is_405_and_says_which_is_right(method: str, path: str, allowed: str) -> None:
    async with ChatApp(ChatWorld()) as app:
        response = await app.http.request(method, path)
    error = assert_error(response, "method_not_allowed", 405)
    assert response.headers["allow"] == allowed
    assert method in error["message"]


async def test_an_unhandled_exception_is_500_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = await answer_to(ValueError("password=hunter2"))
    error = assert_error(response, "internal_error", 500)
    assert "hunter2" not in error["message"]
    assert response.headers["x-request-id"] in str([vars(record) for record in caplog.records])


@pytest.mark.parametrize(
    ("path", "param"), [("/items/x", "number"), ("/items/5?limit=x", "limit"), ("/items/1.5", "number")]
)
async def test_the_frameworks_own_validation_has_our_shape(path: str, param: str) -> None:
    error = assert_error(await answer_to(ValueError(), path), None, 400)
    assert error["param"] == param


@pytest.mark.parametrize(("status", "code", "ours"), [(418, None, 400), (503, "internal_error", 500)])
async def test_the_frameworks_own_errors_have_our_shape(status: int, code: str | None, ours: int) -> None:
    assert_error(await answer_to(HTTPException(status, "a teapot")), code, ours)


# --- the errors of a whole call


async def test_no_key_and_a_wrong_key_are_told_apart_and_how_to_do_it() -> None:
    async with ChatApp(ChatWorld()) as app:
        missing = await app.http.get("/v1/models")
        wrong = await app.get("/v1/models", authorization="Bearer sk-live-nonsense")
    assert_error(missing, "api_key_required", 401)
    assert "nonsense" not in assert_error(wrong, "invalid_api_key", 401)["message"]
    assert missing.headers["www-authenticate"] == wrong.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/m-1", "/v1/balance", "/v1/usage/req_000000000000"])
async def test_every_route_but_the_price_list_wants_a_key(path: str) -> None:
    async with ChatApp(ChatWorld()) as app:
        assert_error(await app.http.get(path), "api_key_required", 401)
        assert (await app.http.get("/api/models")).status_code == 200


async def test_an_empty_balance_is_402_with_everything_a_program_needs() -> None:
    world = ChatWorld()
    app = ChatApp(world)
    async with app.http:
        app.secret = await world.open("0.0001")
        error = assert_error(await app.chat(), "insufficient_balance", 402)
    assert error["type"] == "insufficient_quota"
    assert (error["reason"], error["available"]) == ("account_balance", "0.000100000")
    assert isinstance(error["required"], str)
    assert isinstance(error["affordable_max_tokens"], int)


async def test_each_refusal_of_a_call_has_its_code() -> None:
    async with ChatApp(ChatWorld()) as app:
        assert assert_error(await app.chat(model="x"), "model_not_found", 404)["param"] == "model"
        assert assert_error(await app.chat(messages=None), None, 400)["param"] == "messages"
        assert assert_error(await app.chat(best_of=2), "unsupported_parameter", 400)["param"] == "best_of"
        assert_error(await app.post(b'{"model": "m-1"}'), "missing_required_parameter", 400)
        assert_error(
            await app.chat(messages=[{"role": "user", "content": "x" * 10**6}]), "context_length_exceeded", 400
        )
        await app.world.ledger.store.set_status("a1", SUSPENDED)
        assert_error(await app.chat(), "account_suspended", 403)


async def test_a_restricted_key_is_told_what_it_may_not_do() -> None:
    world = ChatWorld()
    app = ChatApp(world)
    async with app.http:
        app.secret = await world.open(models=("other",))
        assert_error(await app.chat(), "model_not_allowed", 403)
        assert_error(await app.get("/v1/models/m-1"), "model_not_found", 404)
        _, app.secret = await world.keys.issue("a1", "elsewhere", ip_ranges=("198.51.100.0/24",))
        assert_error(await app.get("/v1/models"), "ip_not_authorized", 403)


async def test_a_limit_is_429_with_the_time_to_wait_and_what_is_left() -> None:
    world = ChatWorld()
    app = ChatApp(world)
    async with app.http:
        app.secret = await world.open(requests_per_minute=2)
        for left in ("1", "0"):
            assert (await app.chat()).headers["x-ratelimit-remaining-requests"] == left
        response = await app.chat()
    error = assert_error(response, "rate_limited", 429)
    assert (error["type"], error["reason"]) == ("requests", "key_requests")
    assert response.headers["retry-after"] == "30"
    assert response.headers["x-ratelimit-limit-requests"] == "2"
    assert response.headers["x-ratelimit-remaining-requests"] == "0"


async def test_guessing_keys_is_limited_by_address() -> None:
    world = ChatWorld(environment={"IP_FAILED_AUTH_PER_MINUTE": "3"})
    async with ChatApp(world) as app:
        assert (await app.get("/v1/models")).status_code == 200
        wrong = {"authorization": "Bearer sk-live-nonsense"}
        codes = [(await app.get("/v1/models", **wrong)).status_code for _ in range(5)]
        error = assert_error(await app.get("/v1/models", **wrong), "rate_limited", 429)
        assert (await app.get("/v1/models")).status_code == 200
    assert codes == [401, 401, 401, 429, 429]
    assert error["reason"] == "ip_failed_auth"


async def test_a_broken_provider_key_is_never_the_callers_401() -> None:
    async with ChatApp(ChatWorld()) as app:
        app.world.upstream.attempts = [Attempt(raises=failed())]
        assert_error(await app.chat(), "upstream_error", 502)
        assert_error(await app.chat(stream=True), "upstream_error", 502)


async def test_a_database_that_is_down_is_503_with_the_time_to_wait() -> None:
    async with ChatApp(ChatWorld()) as app:
        app.world.driver.failure = StoreUnavailable("down")
        response = await app.chat()
    assert_error(response, "ledger_unavailable", 503)
    assert response.headers["retry-after"] == "1"


async def test_routers_are_the_ones_of_the_functions() -> None:
    assert {route.path for router in ROUTERS for route in router.routes if hasattr(route, "path")} == {
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/audio/speech",
        "/v1/audio/transcriptions",
        "/v1/audio/translations",
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/uploads",
        "/v1/moderations",
        "/v1/models",
        "/v1/models/{model:path}",
        "/api/models",
        "/v1/usage/{request_id}",
        "/v1/balance",
    }
