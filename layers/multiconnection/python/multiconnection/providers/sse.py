"""Incremental reading of server-sent events, and streams of named events (speech, images, transcriptions)."""

from collections.abc import AsyncIterator
from time import monotonic
from typing import Any, Protocol

from multiconnection.calls.upstream import Outcome, UpstreamError
from multiconnection.catalog.models import Provider
from multiconnection.errors import GatewayError
from multiconnection.web.json import decode

from .errors import (
    ENDED_EARLY,
    TransportFailure,
    empty_answer,
    error_in,
    not_an_answer,
    reported_error,
    transport_error,
)
from .http import Reply

BOM = b"\xef\xbb\xbf"
DONE = b"[DONE]"
_NEXT = b"\ndata:"
# No data; a line without a field name is a comment.
_OTHER_FIELDS = (b"", b"id", b"retry")
EVENT_BYTES_MAX = 128 * 1024 * 1024  # an image as base64 is some 10 MB; the SDKs' own tests go to 64 MiB


class EventTooLarge(ValueError):
    """An event longer than EVENT_BYTES_MAX: more than this process should hold for one caller."""


class EventSplitter:
    """Splits a byte stream at blank lines, whatever the line ends are and wherever the reads were cut.

    An event's `data` lines are joined; comments, ids, retries and events without data yield nothing. The data of
    an `event: error` without an error object is put into one, so that there is one shape of failure to look for.

    Some servers separate their events by one line feed. A line of data that is a whole object, with another behind
    it, tells: joined they would be no JSON. From then on each line is an event as soon as it has come.
    """

    __slots__ = ("_after_cr", "_at_start", "_buffer", "_by_line", "_head", "_judged", "_name")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head = b""
        self._at_start = True
        self._after_cr = False
        self._by_line = False
        self._judged = False
        self._name = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes; raises EventTooLarge."""
        if self._at_start:
            data = self._without_bom(data)
        if self._after_cr or b"\r" in data:
            data = self._with_newlines(data)
        if not self._buffer and data.endswith(b"\n\n") and not self._by_line:
            return _payloads(data[:-2])
        return self._buffered(data)

    def flush(self) -> list[bytes]:
        """At a clean end of the stream: an event whose closing blank line never came."""
        block, self._buffer = bytes(self._buffer), bytearray()
        return self._lines(block) if self._by_line else _payloads(block)

    def _buffered(self, data: bytes) -> list[bytes]:
        buffer = self._buffer
        unseen = max(len(buffer) - 1, 0)  # the blank line may be cut by a read; nothing else is looked at twice
        buffer += data
        end = buffer.rfind(b"\n\n", unseen)
        if end >= 0 and not self._by_line:
            self._judged = False
            return _payloads(self._cut(end, 2))
        unseen = max(unseen - len(_NEXT), 0)
        if (self._by_line or self._is_by_line(unseen)) and (end := buffer.rfind(b"\n", unseen)) >= 0:
            return self._lines(self._cut(end, 1))
        if len(buffer) > EVENT_BYTES_MAX:
            raise EventTooLarge
        return []

    def _cut(self, end: int, separator: int) -> bytes:
        with memoryview(self._buffer) as view:
            block = bytes(view[:end])
        del self._buffer[: end + separator]
        return block

    def _is_by_line(self, unseen: int) -> bool:
        """The first line of data that is followed by another decides, once for each blank line."""
        if not self._judged and self._buffer.find(_NEXT, unseen) >= 0:
            lines = bytes(self._buffer).split(b"\n")
            data = [line for line in lines if line.startswith(b"data:")]
            self._judged = len(data) > 1
            self._by_line = self._judged and _is_whole(data[0].removeprefix(b"data:"))
        return self._by_line

    def _lines(self, block: bytes) -> list[bytes]:
        """Each line of data by itself, with the name that may have come before it."""
        payloads = []
        for line in block.split(b"\n"):
            field, _, value = line.partition(b":")
            if field == b"data":
                payloads.append(_named(value.removeprefix(b" "), self._name))
            if field not in _OTHER_FIELDS or not line:
                self._name = value.removeprefix(b" ") if field == b"event" else b""
        return [payload for payload in payloads if payload and not payload.isspace()]

    def _without_bom(self, data: bytes) -> bytes:
        head = self._head + data
        if len(head) < len(BOM) and BOM.startswith(head):
            self._head = head
            return b""
        self._at_start = False
        return head.removeprefix(BOM)

    def _with_newlines(self, data: bytes) -> bytes:
        """CRLF and CR as LF; a CR ends its line at once, and a LF that follows in the next read belongs to it."""
        if not data:
            return data
        if self._after_cr:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _payloads(text: bytes) -> list[bytes]:
    if text.startswith(b"data: {") and b"\n" not in text:
        return [text[6:]]  # one ordinary event, as nearly every read brings it
    if text.startswith(b"data: "):
        several = text[6:].split(b"\n\ndata: ")
        if text.count(b"\n") == 2 * (len(several) - 1):  # every line is an event of its own
            return [payload for payload in several if payload and not payload.isspace()]
    payloads = []
    for block in text.split(b"\n\n"):
        if block.startswith(b"data: ") and b"\n" not in block:
            payloads.append(block[6:])
        else:
            payloads += _block_payloads(block)
    return [payload for payload in payloads if payload and not payload.isspace()]


def _block_payloads(block: bytes) -> list[bytes]:
    """One event, or one for each line of data where the first of them is whole."""
    name, pieces, starts = b"", list[bytes](), list[tuple[int, bytes]]()
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            starts.append((len(pieces), name))
            pieces.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
        elif pieces and field not in _OTHER_FIELDS and pieces[0].startswith(b"{") and not pieces[-1].endswith(b"}"):
            pieces.append(line)  # behind a line feed inside of a string, which nobody escaped
    if len(starts) > 1 and _is_whole(pieces[0]):
        ends = [start for start, _ in starts[1:]] + [len(pieces)]
        return [_named(b"\n".join(pieces[a:b]), event) for (a, event), b in zip(starts, ends, strict=True)]
    return [_named(b"\n".join(pieces), name)]


def _is_whole(data: bytes) -> bool:
    """A JSON object, from its first character to its last."""
    data = data.strip()
    if not (data.startswith(b"{") and data.endswith(b"}")):
        return False
    try:
        decode(data)
    except ValueError:
        return False
    return True


def _named(payload: bytes, name: bytes) -> bytes:
    if name == b"error" and payload and b'"error"' not in payload:
        return b'{"error":' + payload + b"}"
    return payload


class EventReader(Protocol):
    """One modality's events. `substance`: something worth money has arrived; `finished`: the last event has."""

    substance: bool
    finished: bool

    def accept(self, event: dict[str, Any], payload: bytes) -> bytes:
        """The bytes for the caller that come of one event, or b""; raises UpstreamError when it makes no sense."""

    def complete(self) -> Outcome:
        """The outcome after the last event."""

    def so_far(self) -> Outcome:
        """The outcome as far as it is known before the end, with `ended=DEADLINE`."""

    def failed(self, error: GatewayError) -> Outcome:
        """The outcome of a stream that failed; nothing is charged where nothing of substance has arrived."""


def event_bytes(name: str, payload: bytes) -> bytes:
    """One event on the wire; the SDKs need the name that is also in the payload's `type`."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), payload)


class NamedEventStream:
    """An UpstreamStream whose events are passed on one by one. `prime` first, then iterate once, then `aclose`."""

    def __init__(self, provider: Provider, reply: Reply, reader: EventReader) -> None:
        self._provider = provider
        self._reply = reply
        self._reader = reader
        self._splitter = EventSplitter()
        self._held: list[bytes] = []
        self._error: UpstreamError | None = None
        self._outcome: Outcome | None = None
        self._closed = False

    def outcome(self) -> Outcome:
        return self._outcome or self._reader.so_far()

    async def aclose(self) -> None:
        self._closed = True
        self._reply.close()

    async def prime(self) -> None:
        """Reads until something of substance has arrived; raises UpstreamError, and the caller closes."""
        try:
            while not (self._reader.substance or self._stopped):
                data = await self._reply.read()
                self._held += self._take(data)
                if not data:
                    break
        except TransportFailure as exc:
            raise transport_error(exc) from exc
        if not self._reader.substance:
            raise self._error or empty_answer()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for item in self._held:
            yield item
        data = b" "
        self._reply.idle_since = monotonic()
        while data and not self._stopped:
            try:
                data = await self._reply.read()
            except TransportFailure as exc:
                self._error = transport_error(exc)
                break
            for item in self._take(data):
                yield item
        if not self._closed:
            self._outcome = self._concluded()
            await self._finish()

    @property
    def _stopped(self) -> bool:
        return self._reader.finished or self._error is not None

    def _take(self, data: bytes) -> list[bytes]:
        """The items for the caller; b"" is the clean end of the body."""
        try:
            payloads = self._splitter.feed(data) if data else self._splitter.flush()
        except EventTooLarge:
            self._error = not_an_answer()
            return []
        if payloads:
            self._reply.idle_since = monotonic()
        return [item for payload in payloads if (item := self._item(payload))]

    def _item(self, payload: bytes) -> bytes:
        if self._stopped or payload.strip() == DONE:
            return b""
        try:
            event = decode(payload)
            error = error_in(event)
            if error is not None:
                raise reported_error(error, self._provider)
            if not isinstance(event, dict):
                raise not_an_answer()
            return self._reader.accept(event, payload)
        except UpstreamError as exc:
            self._error = exc
        except ValueError:
            self._error = not_an_answer()
        return b""

    def _concluded(self) -> Outcome:
        if self._error is None and self._reader.finished:
            return self._reader.complete()
        return self._reader.failed((self._error or not_an_answer(ENDED_EARLY)).error)

    async def _finish(self) -> None:
        """Keeps the connection for another call after the last event, when only the end of the body is missing."""
        if self._reader.finished:
            await self._reply.drain()
        else:
            self._reply.close()
