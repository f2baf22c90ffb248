"""POST /v1/audio/speech, POST /v1/audio/transcriptions and POST /v1/audio/translations."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from multiconnection.calls.streaming import StreamedResponse, response
from multiconnection.catalog.parameters import TRANSCRIPTIONS, TRANSLATIONS
from multiconnection.keys.authenticate import authenticated
from multiconnection.web.app import HotRoutes
from multiconnection.web.body import read_json
from multiconnection.web.context import SCOPE_KEY
from multiconnection.web.forms import read_form


async def create_speech(request: Request) -> Response:
    """The audio as it is made, or server-sent events when `stream_format` is "sse"."""
    caller = await authenticated(request)
    body = await read_json(request)
    return StreamedResponse(await request.app.state.speech.speak(caller, body, request.scope[SCOPE_KEY]))


async def create_transcription(request: Request) -> Response:
    """The text of a file: JSON, text or subtitles, or server-sent events when `stream` is true."""
    return await _transcribed(request, TRANSCRIPTIONS)


async def create_translation(request: Request) -> Response:
    """The text of a file, in English."""
    return await _transcribed(request, TRANSLATIONS)


async def _transcribed(request: Request, endpoint: str) -> Response:
    caller = await authenticated(request)
    form = await read_form(request)
    answer = await request.app.state.transcription.answer(caller, endpoint, form, request.scope[SCOPE_KEY])
    return Response(answer, media_type="text/plain") if isinstance(answer, bytes) else response(answer)


hot_routes: HotRoutes = {
    ("POST", "/v1/audio/speech"): create_speech,
    ("POST", "/v1/audio/transcriptions"): create_transcription,
    ("POST", "/v1/audio/translations"): create_translation,
}
router = APIRouter()
for (method, path), endpoint in hot_routes.items():
    router.add_route(path, endpoint, methods=[method])
