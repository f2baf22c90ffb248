"""A spoken answer as bare bytes: passed on as they come, and cut where the provider cut them."""

from collections.abc import AsyncIterator
from time import monotonic

from multiconnection.services.ports import Outcome

from .errors import empty_answer, transport_error
from .http import Reply, TransportFailure
from .speech_meter import SpeechMeter


class AudioStream:
    """An UpstreamStream. `prime` first, then iterate once, then `aclose`."""

    def __init__(self, reply: Reply, meter: SpeechMeter) -> None:
        self._reply = reply
        self._meter = meter
        self._first = b""
        self._outcome: Outcome | None = None

    def outcome(self) -> Outcome:
        return self._outcome or self._meter.so_far()

    async def aclose(self) -> None:
        self._reply.close()

    async def prime(self) -> None:
        """Read the first bytes; raises UpstreamError, and the caller closes."""
        try:
            self._first = await self._read()
        except TransportFailure as exc:
            raise transport_error(exc) from exc
        if not self._first:
            raise empty_answer()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        data = self._first
        try:
            while data:
                yield data
                # However long the client took for it: that was not the provider's silence.
                self._reply.idle_since = monotonic()
                data = await self._read()
        except TransportFailure as exc:
            self._outcome = self._meter.failed(transport_error(exc).error)
        else:
            self._outcome = self._meter.complete()
        self._reply.close()

    async def _read(self) -> bytes:
        data = await self._reply.read()
        self._meter.audio_bytes += len(data)
        return data
