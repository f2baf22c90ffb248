"""POST /v1/chat/completions: chat, and speech for the models that speak."""

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from multiconnection.bootstrap.dependencies import authenticated, container
from multiconnection.calls.streaming import Relayed, StreamedAnswer
from multiconnection.web.app import HotRoutes
from multiconnection.web.body import read_json
from multiconnection.web.context import context

PATH = "/v1/chat/completions"
router = APIRouter()


async def create_chat_completion(request: Request) -> Response:
    """A chat completion, as JSON or as server-sent events when `stream` is true; audio for a body with `input`."""
    services, facts = await container(request), await context(request)
    caller = await authenticated(request, services, facts)
    body = await read_json(request, services.settings.body_bytes_max)
    if isinstance(body, dict) and body.get("input") is not None:
        speech = await services.speech.for_chat(caller, body, facts.arrival)
        if speech is not None:
            return Relayed(speech)
    answer = await services.chat.answer(caller, body, facts.arrival)
    if isinstance(answer, StreamedAnswer):
        return Relayed(answer)
    return Response(orjson.dumps(answer.body), media_type="application/json")


router.add_route(PATH, create_chat_completion, methods=["POST"])


# POST /v1/completions, OpenAI's legacy endpoint.

COMPLETIONS_PATH = "/v1/completions"


async def create_completion(request: Request) -> Response:
    """A text completion, as JSON or as server-sent events when `stream` is true."""
    services, facts = await container(request), await context(request)
    caller = await authenticated(request, services, facts)
    body = await read_json(request, services.settings.body_bytes_max)
    answer = await services.completions.answer(caller, body, facts.arrival)
    if isinstance(answer, StreamedAnswer):
        return Relayed(answer)
    return Response(orjson.dumps(answer.body), media_type="application/json")


router.add_route(COMPLETIONS_PATH, create_completion, methods=["POST"])
hot_routes: HotRoutes = {("POST", PATH): create_chat_completion, ("POST", COMPLETIONS_PATH): create_completion}
