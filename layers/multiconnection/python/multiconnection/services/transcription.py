"""Write down what a file says: one path for transcriptions and translations, whole and streamed."""

from typing import Any

from multiconnection.domain.catalog import Model, UpstreamRef
from multiconnection.domain.provider import Provider
from multiconnection.domain.usage import UsageSource

from .authenticate import Caller
from .calls import Arrival, Calls, Plan
from .form import Form
from .framing import NAMED_EVENTS
from .ports import CostOf, UpstreamStream
from .streamed import StreamedAnswer
from .transcription_file import AudioFiles, HeardFile
from .transcription_ports import Transcript, TranscriptionCall, TranscriptionUpstream
from .transcription_request import (
    STREAMING,
    TRANSCRIPTIONS,
    TranscriptionRequest,
    by_seconds,
    parse_transcription_request,
    require_hearing,
)
from .uploads import UploadService


class TranscriptionService:
    """One instance per process."""

    def __init__(self, calls: Calls, upstream: TranscriptionUpstream, uploads: UploadService) -> None:
        self._calls = calls
        self._upstream = upstream
        self._files = AudioFiles(uploads)

    async def answer(
        self, caller: Caller, task: str, form: Form, arrival: Arrival
    ) -> dict[str, Any] | bytes | StreamedAnswer:
        """A JSON object, the bytes of a text format, or a stream that still has to be relayed.

        `task` is TRANSCRIPTIONS or TRANSLATIONS. Raises GatewayError; whatever was reserved is settled by then.
        """
        request = parse_transcription_request(task, form)
        model = await self._calls.find_model(caller, request.model)
        require_hearing(request, model)
        endpoint = f"audio.{task}"
        model, fields = self._calls.accept(endpoint, model, request.named)
        request = request.only(fields)
        file = await self._files.heard(form, caller.account_id)
        opened = await self._calls.open(caller, self._plan(request, model, file), arrival)

        async def streamed(provider: Provider, ref: UpstreamRef, cost_of: CostOf) -> UpstreamStream:
            return await self._upstream.stream(provider, _call(request, model, file, ref), cost_of)

        if request.stream:
            return await opened.stream(streamed, NAMED_EVENTS)
        answer, cost = await opened.complete(
            lambda provider, ref: self._upstream.transcribe(provider, _call(request, model, file, ref))
        )
        return _with_cost(answer, cost)

    def _plan(self, request: TranscriptionRequest, model: Model, file: HeardFile) -> Plan:
        return Plan(
            endpoint=f"audio.{request.task}",
            model=model,
            bound=request.cost_bound(model, file.audio, self._calls.markup_basis_points),
            tokens_estimate=request.tokens_estimate(model, file.audio),
            streamed=request.stream,
        )


def _call(request: TranscriptionRequest, model: Model, file: HeardFile, ref: UpstreamRef) -> TranscriptionCall:
    return TranscriptionCall(
        task=request.task,
        fields=request.fields,
        upstream_model=ref.model,
        filename=file.filename,
        content_type=file.content_type,
        response_format=request.response_format,
        streams=request.stream and request.task == TRANSCRIPTIONS and STREAMING in model.capabilities,
        by_seconds=by_seconds(model),
        heard=request.heard(model, file.audio),
        heard_source=_source(model, file),
        usage_max=request.usage_max(model, file.audio),
        audio=file.data,
    )


def _source(model: Model, file: HeardFile) -> UsageSource:
    """Time is counted in the file; tokens, and the length of what cannot be counted, are guessed."""
    return UsageSource.REQUEST if by_seconds(model) and file.audio.measured else UsageSource.ESTIMATED


def _with_cost(answer: Transcript, cost: str) -> dict[str, Any] | bytes:
    """Texts have no room for it."""
    if isinstance(answer.body, bytes):
        return answer.body
    return answer.body | {"usage": {**answer.body["usage"], "cost": cost}}
