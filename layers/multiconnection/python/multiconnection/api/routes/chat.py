"""POST /v1/chat/completions."""

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from multiconnection.api.body import read_json
from multiconnection.api.dependencies import CallerDep, ContainerDep, ContextDep
from multiconnection.api.streaming import EventStream
from multiconnection.services.chat_stream import StreamedChat

router = APIRouter()


@router.post("/v1/chat/completions", response_model=None)
async def create_chat_completion(
    request: Request, services: ContainerDep, facts: ContextDep, caller: CallerDep
) -> Response:
    """A chat completion, as JSON or as server-sent events when `stream` is true."""
    body = await read_json(request, services.settings.body_bytes_max)
    answer = await services.chat.answer(caller, body, facts.arrival)
    if isinstance(answer, StreamedChat):
        return EventStream(answer)
    return Response(orjson.dumps(answer.body), media_type="application/json")
