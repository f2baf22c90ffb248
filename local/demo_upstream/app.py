"""The demo upstream's ASGI app: bare ASGI, because benchmarks must not measure their upstream."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from local.demo_upstream.ask import BadRequest, parse_ask
from local.demo_upstream.behaviours import BEHAVIOURS, profile_of
from local.demo_upstream.call import Endpoint, receive_call, told
from local.demo_upstream.canned import CANNED, canned, refused
from local.demo_upstream.compose import compose
from local.demo_upstream.embeddings import embed
from local.demo_upstream.exchange import ClientGone, Exchange, Receive, Send
from local.demo_upstream.gallery import GALLERY, ROUTE
from local.demo_upstream.images import edit, generate
from local.demo_upstream.legacy import complete
from local.demo_upstream.moderations import moderate
from local.demo_upstream.serve import stream, whole
from local.demo_upstream.speech import speak
from local.demo_upstream.stats import Stats
from local.demo_upstream.transcription import transcribe, translate

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
    return _picture if ROUTE in scope["path"] and scope["method"] == "GET" else _not_found


async def _chat(scope: Scope, exchange: Exchange) -> None:
    ask = parse_ask(await exchange.body())
    number = STATS.record(ask.model, ask.body, scope)
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


def _served(endpoint: Endpoint, default_model: str | None = None) -> Handler:
    """What all endpoints but chat have in common: counting, errors before the answer, hanging."""

    async def handle(scope: Scope, exchange: Exchange) -> None:
        call = await receive_call(scope, exchange, default_model)
        # Before the endpoint looks closer, so that tests see what should never have been sent here.
        number = STATS.record(call.model, told(call), scope)
        answer = CANNED["error-500"] if call.profile.flaky and number % 2 else call.profile.canned
        try:
            if answer is not None:
                await exchange.respond(answer)
            elif call.profile.hangs:
                await exchange.pause(None)
            else:
                await endpoint(call)
        except ClientGone:
            STATS.clients_gone[call.model] += 1

    return handle


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


async def _reset(_scope: Scope, exchange: Exchange) -> None:
    STATS.reset()
    await exchange.respond(canned(200, b"{}"))


async def _not_found(scope: Scope, exchange: Exchange) -> None:
    await exchange.respond(refused(404, f"Invalid URL ({scope['method']} {scope['path']})"))


async def _method_not_allowed(scope: Scope, exchange: Exchange) -> None:
    await exchange.respond(refused(405, f"Not allowed to {scope['method']} on {scope['path']}"))


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
    "/_reset": {"POST": _reset},
}
