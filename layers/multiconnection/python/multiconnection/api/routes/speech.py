"""POST /v1/audio/speech."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from multiconnection.api.body import read_json
from multiconnection.api.dependencies import authenticated, container, context
from multiconnection.api.hot import HotRoutes
from multiconnection.api.streaming import Relayed

PATH = "/v1/audio/speech"
router = APIRouter()


async def create_speech(request: Request) -> Response:
    """The audio as it is made, or server-sent events when `stream_format` is "sse"."""
    services, facts = await container(request), await context(request)
    caller = await authenticated(request, services, facts)
    body = await read_json(request, services.settings.body_bytes_max)
    return Relayed(await services.speech.speak(caller, body, facts.arrival))


router.add_route(PATH, create_speech, methods=["POST"])
hot_routes: HotRoutes = {("POST", PATH): create_speech}
