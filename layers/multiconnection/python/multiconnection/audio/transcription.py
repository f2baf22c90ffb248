"""Transcribe and translate files: one path for whole answers and streams, and the measuring of the files."""

import asyncio
import logging
import struct
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakValueDictionary

from multiconnection.audio.duration import Audio, AudioError, Steps, probe
from multiconnection.calls.pipeline import Calls
from multiconnection.calls.streaming import NAMED_EVENTS, StreamedAnswer
from multiconnection.context import RequestContext
from multiconnection.errors import ParameterMissing, RateLimited, RequestInvalid, RequestTooLarge
from multiconnection.keys.models import Caller
from multiconnection.uploads.service import REFERENCE_PREFIX, UploadService
from multiconnection.web.forms import Form

from .transcription_request import AudioFile, parse_transcription_request, require_transcription_model
from .transcription_upstream import OpenAiTranscription

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


class TranscriptionService:
    """One instance per process."""

    def __init__(self, calls: Calls, upstream: OpenAiTranscription, uploads: UploadService) -> None:
        self._calls = calls
        self._upstream = upstream
        self._files = AudioFiles(uploads)

    async def answer(
        self, caller: Caller, endpoint: str, form: Form, context: RequestContext
    ) -> Mapping[str, Any] | bytes | StreamedAnswer:
        """A JSON object, the bytes of a text format, or a stream that still has to be relayed.

        `endpoint` is TRANSCRIPTIONS or TRANSLATIONS. Raises GatewayError; whatever was reserved is settled by then.
        """
        request = parse_transcription_request(endpoint, form)
        model = await self._calls.find_model(caller, request.model)
        require_transcription_model(request, model)
        model, fields = self._calls.accept(endpoint, model, request.named)
        file = await self._files.measured(form, caller.account_id)
        call = request.only(fields).bind(model, self._calls.markup_basis_points, file)
        reserved = await self._calls.reserve(caller, call, context)
        if call.streamed:
            return await reserved.stream(self._upstream.stream, NAMED_EVENTS)
        answer, cost = await reserved.complete(self._upstream.transcribe)
        if isinstance(answer.body, bytes):
            # Texts have no room for a usage.
            return answer.body
        return answer.body | {"usage": {**answer.body["usage"], "cost": cost}}


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

    async def measured(self, form: Form, account_id: str) -> AudioFile:
        """The form's file, sent with it or uploaded before, known by its content.

        Raises RequestInvalid kinds, RequestTooLarge, UploadNotFound, StorageUnavailable or RateLimited.
        """
        data = await _data(form, account_id, self._uploads)
        try:
            return AudioFile(await self._in_turn(account_id, data), data)
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
                    return await self._probed(data)
                finally:
                    self._free.release()
            finally:
                queue.turn.release()
        finally:
            queue.waiting -= 1

    async def _probed(self, data: bytes) -> Audio:
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


async def _within(seconds: float, lock: asyncio.Lock | asyncio.Semaphore) -> None:
    """Raises RateLimited; sets no timer where nothing has to be waited for."""
    if not lock.locked():
        await lock.acquire()
        return
    try:
        async with asyncio.timeout(seconds):
            await lock.acquire()
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
