"""POST /v1/audio/transcriptions and POST /v1/audio/translations."""

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from multiconnection.api.dependencies import authenticated, container, context
from multiconnection.api.hot import HotRoutes
from multiconnection.api.multipart import read_form
from multiconnection.api.streaming import Relayed
from multiconnection.services.streamed import StreamedAnswer
from multiconnection.services.transcription_request import TRANSCRIPTIONS, TRANSLATIONS

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
    services, facts = await container(request), await context(request)
    caller = await authenticated(request, services, facts)
    form = await read_form(request, services.settings.body_bytes_max)
    answer = await services.transcription.answer(caller, task, form, facts.arrival)
    if isinstance(answer, StreamedAnswer):
        return Relayed(answer)
    if isinstance(answer, bytes):
        return Response(answer, media_type="text/plain")
    return Response(orjson.dumps(answer), media_type="application/json")


router.add_route(PATH, create_transcription, methods=["POST"])
router.add_route(TRANSLATIONS_PATH, create_translation, methods=["POST"])
hot_routes: HotRoutes = {
    ("POST", PATH): create_transcription,
    ("POST", TRANSLATIONS_PATH): create_translation,
}
