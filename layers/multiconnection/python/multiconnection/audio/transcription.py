"""Write down what a file says: one path for transcriptions and translations, whole and streamed."""

import asyncio
import logging
import struct
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol
from weakref import WeakValueDictionary

from pydantic import ValidationError

from multiconnection.audio.duration import probe
from multiconnection.audio.duration.types import Audio, AudioError, Steps
from multiconnection.calls.pipeline import Calls, Plan
from multiconnection.calls.streaming import NAMED_EVENTS, StreamedAnswer
from multiconnection.calls.upstream import CostOf, Outcome, UpstreamStream
from multiconnection.catalog.bounds import MESSAGE_OVERHEAD_TOKENS, CostBound, text_tokens_max
from multiconnection.catalog.models import Model, Provider, UpstreamRef
from multiconnection.catalog.parameters import base_name, refuse_costly
from multiconnection.context import RequestContext
from multiconnection.errors import ParameterMissing, RateLimited, RequestInvalid, RequestTooLarge
from multiconnection.keys.models import Caller
from multiconnection.uploads.service import REFERENCE_PREFIX, UploadService
from multiconnection.usage import Usage, UsageSource
from multiconnection.web.forms import Form
from multiconnection.web.validation import invalid

from .schemas import TranscriptionForm

# A transcription request understood: what is asked for, what it costs at most, and what the model cannot do.


@dataclass(frozen=True)
class TranscriptionRequest:
    """`fields` are what is forwarded, names and texts, as the provider wants them spelled."""

    task: str
    form: Form
    fields: tuple[tuple[str, str], ...]
    model: str
    response_format: str
    stream: bool

    @property
    def named(self) -> dict[str, str]:
        """The last text of each field that is forwarded, by its name without brackets."""
        return {base_name(name): text for name, text in self.fields}

    def only(self, names: Container[str]) -> "TranscriptionRequest":
        """The same request with only these fields."""
        kept = tuple((name, text) for name, text in self.fields if base_name(name) in names)
        return replace(self, fields=kept)

    def heard(self, model: Model, audio: Audio) -> Usage:
        """What the input consumes, by measuring it."""
        if by_seconds(model):
            return Usage(milliseconds=_whole_seconds(audio.milliseconds) * 1000)
        spoken = _tokens(audio.milliseconds, model)
        written = sum(-(-len(text) // TEXT_BYTES_PER_TOKEN) for text in self._texts())
        return Usage(input=written, input_audio=spoken)

    def cost_bound(self, model: Model, audio: Audio, markup_basis_points: int) -> CostBound:
        """All of it is fixed: no provider takes a limit for the length of a transcript."""
        most, prices = self.usage_max(model, audio), model.prices
        tokens = most.prompt_tokens * prices.dearest_input + most.completion_tokens * prices.dearest_output
        return CostBound(tokens + most.milliseconds * prices.millisecond, 0, 0, markup_basis_points)

    def usage_max(self, model: Model, audio: Audio) -> Usage:
        """The most that the call can consume."""
        if by_seconds(model):
            return Usage(milliseconds=1000 * (-(-audio.milliseconds_max // 1000) + SECONDS_MARGIN))
        heard, said = self._tokens_max(model, audio)
        return Usage(input_audio=heard, output=said)

    def tokens_estimate(self, model: Model, audio: Audio) -> int:
        return 0 if by_seconds(model) else self.heard(model, audio).prompt_tokens

    def _tokens_max(self, model: Model, audio: Audio) -> tuple[int, int]:
        """Of the input and of the answer.

        A context window's worth of audio is answered with `max_output_tokens` at most; a file that the provider cuts
        into more pieces than that still has no more words in it than audio tokens.
        """
        references = len(self.form.fields.get(REFERENCES, ()))
        spoken = _tokens(audio.milliseconds_max + references * REFERENCE_MS_MAX, model)
        spoken += -(-spoken * TOKENS_MARGIN_PERCENT // 100) + model.audio_tokens_per_second * SECONDS_MARGIN
        windows = -(-spoken // model.context_window) if model.context_window else 1
        return spoken + self._written_max + MESSAGE_OVERHEAD_TOKENS, max(windows * model.max_output_tokens, spoken)

    @cached_property
    def _written_max(self) -> int:
        return sum(text_tokens_max(text) + MESSAGE_OVERHEAD_TOKENS for text in self._texts())

    def _texts(self) -> Iterator[bytes]:
        return (text.encode() for name, text in self.fields if not name.startswith(REFERENCES))


# The file of a transcription: sent with the form or uploaded before, known by its content, and measured.


@dataclass(frozen=True, slots=True)
class HeardFile:
    """Its name and type say what it is: the caller's may not, and providers go by them."""

    audio: Audio
    data: bytes = field(repr=False)

    @property
    def filename(self) -> str:
        return f"audio.{self.audio.ending}"

    @property
    def content_type(self) -> str:
        return _CONTENT_TYPES.get(self.audio.ending, f"audio/{self.audio.ending}")


# What hearing needs from a provider.


@dataclass(frozen=True, slots=True)
class TranscriptionCall:
    """One file on its way to one upstream.

    `task` is the last part of the endpoint's path. `fields` are the caller's, in order, without `model` and `stream`.
    `streams`: the provider is asked for events; what it answers in one piece becomes events where the caller wants a
    stream. `heard` is what the file and the texts consume when the provider does not say: time or tokens, known as
    `heard_source` tells; a report of more than `usage_max` is not believed.
    """

    task: str
    fields: Sequence[tuple[str, str]]
    upstream_model: str
    filename: str
    content_type: str
    response_format: str
    streams: bool
    by_seconds: bool
    heard: Usage
    heard_source: UsageSource
    usage_max: Usage
    audio: bytes = field(repr=False)

    @property
    def in_json(self) -> bool:
        return self.response_format.endswith("json")

    def estimated(self, text_bytes: int) -> Usage:
        """When the provider does not say: what was heard, and the text that came of it where that is priced."""
        if self.by_seconds:
            return self.heard
        said = -(-text_bytes // TEXT_BYTES_PER_TOKEN)
        return replace(self.heard, output=min(said, self.usage_max.output))


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole answer: a JSON object with its usage in it, or the bytes of text, srt and vtt."""

    body: dict[str, Any] | bytes
    outcome: Outcome


class TranscriptionUpstream(Protocol):
    """The dialect of a provider."""

    async def transcribe(self, provider: Provider, call: TranscriptionCall) -> Transcript:
        """Raises UpstreamError."""

    async def stream(self, provider: Provider, call: TranscriptionCall, cost_of: CostOf) -> UpstreamStream:
        """Returns once the first text has arrived; raises UpstreamError."""


class TranscriptionService:
    """One instance per process."""

    def __init__(self, calls: Calls, upstream: TranscriptionUpstream, uploads: UploadService) -> None:
        self._calls = calls
        self._upstream = upstream
        self._files = AudioFiles(uploads)

    async def answer(
        self, caller: Caller, task: str, form: Form, context: RequestContext
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
        opened = await self._calls.open(caller, self._plan(request, model, file), context)

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


TRANSCRIPTIONS, TRANSLATIONS = "transcriptions", "translations"
KIND = "transcription"
STREAMING, TRANSLATION = "streaming", "translation"
FORMAT_DEFAULT = "json"
TRUE = frozenset({"true", "True", "1"})
# Set by us, or no text.
OWN_FIELDS = frozenset({"model", "stream", "file"})
ARRAYS = frozenset(
    {
        "timestamp_granularities",
        "include",
        "languages",
        "keywords",
        "known_speaker_names",
        "known_speaker_references",
    }
)
# Data URLs of audio, of ten seconds each at most.
REFERENCES = "known_speaker_references"
REFERENCE_MS_MAX = 10_000
# Providers round seconds up, and decoders add a few milliseconds at both ends.
SECONDS_MARGIN = 1
# Providers count audio in windows that are filled up.
TOKENS_MARGIN_PERCENT = 25


def parse_transcription_request(task: str, form: Form) -> TranscriptionRequest:
    """Raises RequestInvalid and its kinds, with `param` naming the field as OpenAI does."""
    single = {name: text for name in TranscriptionForm.model_fields if (text := form.text(name))}
    try:
        parsed = TranscriptionForm.model_validate(single)
    except ValidationError as exc:
        raise invalid(exc) from exc
    return TranscriptionRequest(
        task=task,
        form=form,
        fields=tuple(_forwarded(form, single)),
        model=parsed.model,
        response_format=parsed.response_format or FORMAT_DEFAULT,
        stream=parsed.stream in TRUE,
    )


def require_hearing(request: TranscriptionRequest, model: Model) -> None:
    """Refuse what the model cannot do, before any money is set aside; raises RequestInvalid kinds."""
    if model.kind != KIND:
        raise RequestInvalid(
            f"`{model.id}` is a model of kind {model.kind} and does not transcribe; GET /v1/models lists those "
            f"of kind {KIND}.",
            param="model",
        )
    if request.task == TRANSLATIONS and TRANSLATION not in model.capabilities:
        raise RequestInvalid(
            f"`{model.id}` does not translate; use a model with the capability {TRANSLATION!r}, such as `whisper-1`.",
            param="model",
        )
    refuse_costly(f"audio.{request.task}", request.named, model)


def by_seconds(model: Model) -> bool:
    """Priced by the length of the audio, not by tokens."""
    return not model.audio_tokens_per_second


def _forwarded(form: Form, single: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, texts in form.fields.items():
        if name in OWN_FIELDS:
            continue
        if name in TranscriptionForm.model_fields:
            # Of a field that came twice the later one counts; an empty one is as if it were absent.
            texts = [single[name]] if name in single else []
        listed = name in ARRAYS or name in form.arrays
        yield from ((f"{name}[]" if listed else name, text) for text in texts)


def _whole_seconds(milliseconds: int) -> int:
    """As providers count: the nearest second, so that no format costs less for want of a report."""
    return max(1, (milliseconds + 500) // 1000)


def _tokens(milliseconds: int, model: Model) -> int:
    return -(-milliseconds * model.audio_tokens_per_second // 1000)


log = logging.getLogger(__name__)
FILE = "file"
KINDS = ("audio", "video")
# What OpenAI takes.
FILE_BYTES_MAX = 25 * 1024 * 1024
# Threads share the interpreter with the event loop: each more of them makes every other call wait longer for it.
WORKERS = 2
# An account's files are measured one after the other, in milliseconds each.
WAITING_MAX = 32
WAIT_S_MAX = 10.0
# What parsers raise when they are wrong about a file: a defect, and no reason to fail the call as ours.
_DEFECTS = (LookupError, ValueError, ArithmeticError, TypeError, struct.error, RecursionError, MemoryError)
_CONTENT_TYPES = {"mp3": "audio/mpeg", "mpeg": "audio/mpeg"}


class AudioFiles:
    """Takes files out of forms and measures them off the event loop. One instance per process.

    One file of an account is measured at a time, so that no account occupies the workers; the others wait in order, for
    a bounded time.
    """

    def __init__(self, uploads: UploadService, measure: Callable[[bytes, Steps], Audio] = probe) -> None:
        self._uploads = uploads
        self._measure = measure
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="audio-file")
        self._free = asyncio.Semaphore(WORKERS)
        # Of accounts that have files here right now.
        self._queues: WeakValueDictionary[str, _Queue] = WeakValueDictionary()

    async def heard(self, form: Form, account_id: str) -> HeardFile:
        """Raises RequestInvalid kinds, RequestTooLarge, UploadNotFound, StorageUnavailable or RateLimited."""
        data = await _data(form, account_id, self._uploads)
        try:
            return HeardFile(await self._in_turn(account_id, data), data)
        except AudioError as exc:
            raise RequestInvalid(str(exc), param=FILE) from exc
        except _DEFECTS as exc:
            log.exception("audio_parser_failed")
            raise RequestInvalid("The audio file is broken.", param=FILE) from exc

    async def _in_turn(self, account_id: str, data: bytes) -> Audio:
        queue = self._queues.setdefault(account_id, _Queue())
        if queue.waiting > WAITING_MAX:
            raise _busy()
        queue.waiting += 1
        try:
            await _within(WAIT_S_MAX, queue.turn)
            try:
                await _within(WAIT_S_MAX, self._free)
                try:
                    return await self._measured(data)
                finally:
                    self._free.release()
            finally:
                queue.turn.release()
        finally:
            queue.waiting -= 1

    async def _measured(self, data: bytes) -> Audio:
        """A thread cannot be stopped, but stops itself at the next step once this task is cancelled."""
        steps = Steps(len(data))
        try:
            return await asyncio.get_running_loop().run_in_executor(self._workers, self._measure, data, steps)
        finally:
            steps.cancel()


class _Queue:
    """The files of one account. `waiting` includes the one that is being measured."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.waiting = 0


async def _within(seconds: float, what: asyncio.Lock | asyncio.Semaphore) -> None:
    """Raises RateLimited; sets no timer where nothing has to be waited for."""
    if not what.locked():
        await what.acquire()
        return
    try:
        async with asyncio.timeout(seconds):
            await what.acquire()
    except TimeoutError as exc:
        raise _busy() from exc


def _busy() -> RateLimited:
    return RateLimited(
        "Too many of your audio files are being measured. Send fewer at a time.", reason="measuring", retry_after_s=1
    )


async def _data(form: Form, account_id: str, uploads: UploadService) -> bytes:
    files, references = form.files.get(FILE, []), form.fields.get(FILE, [])
    _require_one(form, len(files) + len(references))
    if files:
        _require_size(len(files[0].data))
        return files[0].data
    if not references[0].startswith(REFERENCE_PREFIX):
        raise RequestInvalid(
            f"'file' is a text: send it as a file with a filename, or as {REFERENCE_PREFIX}… of POST /v1/uploads.",
            param=FILE,
        )
    uploaded = await uploads.resolve(account_id, references[0], KINDS, FILE)
    _require_size(uploaded.size)
    return await uploaded.read()


def _require_one(form: Form, count: int) -> None:
    if not count:
        raise ParameterMissing(f"Missing required parameter: '{FILE}'.", param=FILE)
    if count > 1:
        raise RequestInvalid("Send one file a request.", param=FILE)
    for name in form.files:
        if name != FILE:
            raise RequestInvalid(f"'{name[:64]}' cannot be a file.", param=name[:64])


def _require_size(size: int) -> None:
    if size > FILE_BYTES_MAX:
        raise RequestTooLarge(f"An audio file has at most {FILE_BYTES_MAX} bytes; this one has {size}.", param=FILE)
    if not size:
        raise RequestInvalid("The audio file is empty.", param=FILE)


TEXT_BYTES_PER_TOKEN = 4
