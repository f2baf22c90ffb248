"""POST /v1/chat/completions, and POST /v1/completions, OpenAI's legacy endpoint."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from multiconnection.calls.streaming import StreamedResponse, response
from multiconnection.keys.authenticate import authenticated
from multiconnection.web.app import HotRoutes
from multiconnection.web.body import read_json
from multiconnection.web.context import SCOPE_KEY


async def create_chat_completion(request: Request) -> Response:
    """A chat completion, as JSON or as server-sent events when `stream` is true; audio for a body with `input`."""
    caller = await authenticated(request)
    body = await read_json(request)
    if isinstance(body, dict) and body.get("input") is not None:
        speech = await request.app.state.speech.for_chat(caller, body, request.scope[SCOPE_KEY])
        if speech is not None:
            return StreamedResponse(speech)
    return response(await request.app.state.chat.chat(caller, body, request.scope[SCOPE_KEY]))


async def create_completion(request: Request) -> Response:
    """A text completion, as JSON or as server-sent events when `stream` is true."""
    caller = await authenticated(request)
    body = await read_json(request)
    return response(await request.app.state.chat.complete(caller, body, request.scope[SCOPE_KEY]))


hot_routes: HotRoutes = {
    ("POST", "/v1/chat/completions"): create_chat_completion,
    ("POST", "/v1/completions"): create_completion,
}
router = APIRouter()
for (method, path), endpoint in hot_routes.items():
    router.add_route(path, endpoint, methods=[method])
