"""POST /v1/chat/completions: chat, and speech for the models that speak."""

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from multiconnection.calls.streaming import Relayed, StreamedAnswer
from multiconnection.keys.authenticate import authenticated
from multiconnection.web.app import HotRoutes
from multiconnection.web.body import read_json
from multiconnection.web.context import SCOPE_KEY

PATH = "/v1/chat/completions"
router = APIRouter()


async def create_chat_completion(request: Request) -> Response:
    """A chat completion, as JSON or as server-sent events when `stream` is true; audio for a body with `input`."""
    caller = await authenticated(request)
    body = await read_json(request)
    if isinstance(body, dict) and body.get("input") is not None:
        speech = await request.app.state.speech.for_chat(caller, body, request.scope[SCOPE_KEY])
        if speech is not None:
            return Relayed(speech)
    answer = await request.app.state.chat.answer(caller, body, request.scope[SCOPE_KEY])
    if isinstance(answer, StreamedAnswer):
        return Relayed(answer)
    return Response(orjson.dumps(answer.body), media_type="application/json")


router.add_route(PATH, create_chat_completion, methods=["POST"])


# POST /v1/completions, OpenAI's legacy endpoint.

COMPLETIONS_PATH = "/v1/completions"


async def create_completion(request: Request) -> Response:
    """A text completion, as JSON or as server-sent events when `stream` is true."""
    caller = await authenticated(request)
    body = await read_json(request)
    answer = await request.app.state.completions.answer(caller, body, request.scope[SCOPE_KEY])
    if isinstance(answer, StreamedAnswer):
        return Relayed(answer)
    return Response(orjson.dumps(answer.body), media_type="application/json")


router.add_route(COMPLETIONS_PATH, create_completion, methods=["POST"])
hot_routes: HotRoutes = {("POST", PATH): create_chat_completion, ("POST", COMPLETIONS_PATH): create_completion}
