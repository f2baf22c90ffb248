"""The ASGI app of the demo upstream: bare ASGI, because benchmarks must not measure their upstream."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from local.demo_upstream.audio import speak, transcribe, translate
from local.demo_upstream.behaviours import BEHAVIOURS, profile_of
from local.demo_upstream.chat import answer_chat, parse_ask
from local.demo_upstream.images import GALLERY, GALLERY_ROUTE, edit, generate
from local.demo_upstream.serving import Endpoint, receive_call
from local.demo_upstream.texts import complete, embed, moderate
from local.demo_upstream.wire import (
    CANNED,
    BadRequest,
    ClientGone,
    Exchange,
    Headers,
    Json,
    Receive,
    Scope,
    Send,
    canned,
    refused,
)

Handler = Callable[[Scope, Exchange], Awaitable[None]]

SECRET_HEADERS = ("authorization", "api-key", "x-api-key")
_CREATED = 1_760_000_000


class Stats:
    """Requests by model, and the last one, for tests to look at."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self._last: tuple[str, Json, Headers] | None = None

    def record(self, model: str, body: Json, scope: Mapping[str, Any]) -> int:
        """Count the request; returns its number among those for the model."""
        self.requests[model] += 1
        self._last = (scope["path"], body, scope["headers"])
        return self.requests[model]

    def report(self) -> Json:
        """The answer of `GET /_stats`."""
        return {
            "requests": dict(self.requests),
            "last_request": None if self._last is None else _described(*self._last),
        }


STATS = Stats()
_MODELS = canned(
    200,
    orjson.dumps(
        {
            "object": "list",
            "data": [
                {"id": name, "object": "model", "created": _CREATED, "owned_by": "demo", "description": summary}
                for name, summary in BEHAVIOURS.items()
            ],
        }
    ),
)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Route by the end of the path, so that any prefix (/v1, /v1beta/openai, Azure's) works."""
    if scope["type"] != "http":
        return
    exchange = Exchange(receive, send)
    try:
        await _handler(scope)(scope, exchange)
    except BadRequest as exc:
        await exchange.respond(refused(400, exc.message, exc.param, exc.code))
    except ClientGone:
        return
    finally:
        exchange.close()


def _handler(scope: Scope) -> Handler:
    for tail, methods in ROUTES.items():
        if scope["path"].endswith(tail):
            return methods.get(scope["method"], _method_not_allowed)
    return _picture if GALLERY_ROUTE in scope["path"] and scope["method"] == "GET" else _not_found


async def _chat(scope: Scope, exchange: Exchange) -> None:
    ask = parse_ask(await exchange.body())
    await _serve(scope, exchange, ask.model, ask.body, lambda: answer_chat(exchange, ask, profile_of(ask.model)))


def _served(endpoint: Endpoint, default_model: str | None = None) -> Handler:
    """The handler of an endpoint other than chat."""

    async def handle(scope: Scope, exchange: Exchange) -> None:
        call = await receive_call(scope, exchange, default_model)
        await _serve(scope, exchange, call.model, call.recorded, lambda: endpoint(call))

    return handle


async def _serve(
    scope: Scope, exchange: Exchange, model: str, recorded: Json, answer: Callable[[], Awaitable[None]]
) -> None:
    """Count the request, then fail, hang or answer as the model does.

    It is counted before the endpoint looks closer, so that tests see requests that should never have been sent here.
    """
    number, profile = STATS.record(model, recorded, scope), profile_of(model)
    failure = CANNED["error-500"] if profile.flaky and number % 2 else profile.canned
    if failure is not None:
        await exchange.respond(failure)
    elif profile.hangs:
        await exchange.pause(None)
    else:
        await answer()


async def _picture(scope: Scope, exchange: Exchange) -> None:
    found = GALLERY.find(scope["path"])
    if found is None:
        await _not_found(scope, exchange)
        return
    await exchange.respond(canned(200, found, b"image/png"))


async def _models(_scope: Scope, exchange: Exchange) -> None:
    await exchange.respond(_MODELS)


async def _stats(_scope: Scope, exchange: Exchange) -> None:
    await exchange.respond(canned(200, orjson.dumps(STATS.report())))


async def _not_found(scope: Scope, exchange: Exchange) -> None:
    await exchange.respond(refused(404, f"Invalid URL ({scope['method']} {scope['path']})"))


async def _method_not_allowed(scope: Scope, exchange: Exchange) -> None:
    await exchange.respond(refused(405, f"Not allowed to {scope['method']} on {scope['path']}"))


def _described(path: str, body: Json, headers: Headers) -> Json:
    """The request without its secrets, of which only the presence is shown; header names are lower-cased."""
    found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    secrets = {name: "present" for name in SECRET_HEADERS if name in found}
    return {"path": path, "body": body, "headers": {"authorization": "absent", **found, **secrets}}


# The first tail that fits wins: chat stands before legacy completions.
ROUTES: dict[str, dict[str, Handler]] = {
    "/chat/completions": {"POST": _chat},
    "/completions": {"POST": _served(complete)},
    "/embeddings": {"POST": _served(embed)},
    "/moderations": {"POST": _served(moderate, "omni-moderation-latest")},
    "/audio/speech": {"POST": _served(speak)},
    "/audio/transcriptions": {"POST": _served(transcribe)},
    "/audio/translations": {"POST": _served(translate)},
    "/images/generations": {"POST": _served(generate, "dall-e-2")},
    "/images/edits": {"POST": _served(edit, "dall-e-2")},
    "/models": {"GET": _models},
    "/_stats": {"GET": _stats},
}
