"""The demo upstream's ASGI app: bare ASGI, because benchmarks must not measure their upstream."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from local.demo_upstream.ask import BadRequest, parse_ask
from local.demo_upstream.behaviours import BEHAVIOURS, profile_of
from local.demo_upstream.canned import CANNED, canned, refused
from local.demo_upstream.compose import compose
from local.demo_upstream.exchange import ClientGone, Exchange, Receive, Send
from local.demo_upstream.serve import stream, whole
from local.demo_upstream.stats import Stats

Scope = dict[str, Any]
Handler = Callable[[Scope, Exchange], Awaitable[None]]

STATS = Stats()
_CREATED = 1_760_000_000
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
    """Routes by the end of the path, so that any prefix (/v1, /v1beta/openai, Azure's) works."""
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
    return _not_found


async def _chat(scope: Scope, exchange: Exchange) -> None:
    ask = parse_ask(await exchange.body())
    number = STATS.record(ask, scope["headers"])
    profile = profile_of(ask.model)
    answer = CANNED["error-500"] if profile.flaky and number % 2 else profile.canned
    try:
        if answer is not None:
            await exchange.respond(answer)
        elif profile.hangs:
            await exchange.pause(None)
        elif ask.stream and not profile.never_streams:
            await stream(exchange, ask, profile, compose(ask, profile))
        else:
            await whole(exchange, ask, profile, compose(ask, profile))
    except ClientGone:
        STATS.clients_gone[ask.model] += 1


async def _models(_scope: Scope, exchange: Exchange) -> None:
    await exchange.respond(_MODELS)


async def _stats(_scope: Scope, exchange: Exchange) -> None:
    await exchange.respond(canned(200, orjson.dumps(STATS.report())))


async def _reset(_scope: Scope, exchange: Exchange) -> None:
    STATS.reset()
    await exchange.respond(canned(200, b"{}"))


async def _not_found(scope: Scope, exchange: Exchange) -> None:
    await exchange.respond(refused(404, f"Invalid URL ({scope['method']} {scope['path']})"))


async def _method_not_allowed(scope: Scope, exchange: Exchange) -> None:
    await exchange.respond(refused(405, f"Not allowed to {scope['method']} on {scope['path']}"))


ROUTES: dict[str, dict[str, Handler]] = {
    "/chat/completions": {"POST": _chat},
    "/models": {"GET": _models},
    "/_stats": {"GET": _stats},
    "/_reset": {"POST": _reset},
}
