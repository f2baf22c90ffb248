"""POST /v1/audio/transcriptions and POST /v1/audio/translations."""

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from multiconnection.calls.streaming import Relayed, StreamedAnswer
from multiconnection.keys.authenticate import authenticated
from multiconnection.web.app import HotRoutes
from multiconnection.web.body import read_json
from multiconnection.web.context import SCOPE_KEY
from multiconnection.web.forms import read_form

from .transcription import TRANSCRIPTIONS, TRANSLATIONS

PATH = "/v1/audio/transcriptions"
TRANSLATIONS_PATH = "/v1/audio/translations"
router = APIRouter()


async def create_transcription(request: Request) -> Response:
    """What a file says: JSON, text or subtitles, or server-sent events when `stream` is true."""
    return await _answer(request, TRANSCRIPTIONS)


async def create_translation(request: Request) -> Response:
    """What a file says, in English."""
    return await _answer(request, TRANSLATIONS)


async def _answer(request: Request, task: str) -> Response:
    caller = await authenticated(request)
    form = await read_form(request)
    answer = await request.app.state.transcription.answer(caller, task, form, request.scope[SCOPE_KEY])
    if isinstance(answer, StreamedAnswer):
        return Relayed(answer)
    if isinstance(answer, bytes):
        return Response(answer, media_type="text/plain")
    return Response(orjson.dumps(answer), media_type="application/json")


router.add_route(PATH, create_transcription, methods=["POST"])
router.add_route(TRANSLATIONS_PATH, create_translation, methods=["POST"])


# POST /v1/audio/speech.

SPEECH_PATH = "/v1/audio/speech"


async def create_speech(request: Request) -> Response:
    """The audio as it is made, or server-sent events when `stream_format` is "sse"."""
    caller = await authenticated(request)
    body = await read_json(request)
    return Relayed(await request.app.state.speech.speak(caller, body, request.scope[SCOPE_KEY]))


router.add_route(SPEECH_PATH, create_speech, methods=["POST"])
hot_routes: HotRoutes = {
    ("POST", PATH): create_transcription,
    ("POST", TRANSLATIONS_PATH): create_translation,
    ("POST", SPEECH_PATH): create_speech,
}
