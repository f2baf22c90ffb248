"""Incremental reading of server-sent events: bytes in any pieces in, the data of whole events out."""

BOM = b"\xef\xbb\xbf"
EVENT_BYTES_MAX = 128 * 1024 * 1024  # an image as base64 is some 10 MB; the SDKs' own tests go to 64 MiB


class EventTooLarge(ValueError):
    """An event longer than EVENT_BYTES_MAX: more than this process should hold for one caller."""


class EventSplitter:
    """Splits a byte stream at blank lines, whatever the line ends are and wherever the reads were cut.

    An event's `data` lines are joined; comments, ids, retries and events without data yield nothing. The data of
    an `event: error` without an error object is put into one, so that there is one shape of failure to look for.
    """

    __slots__ = ("_after_cr", "_at_start", "_buffer", "_head")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head = b""
        self._at_start = True
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes; raises EventTooLarge."""
        if self._at_start:
            data = self._without_bom(data)
        if self._after_cr or b"\r" in data:
            data = self._with_newlines(data)
        if not self._buffer and data.endswith(b"\n\n"):
            return _payloads(data[:-2])
        return self._buffered(data)

    def flush(self) -> list[bytes]:
        """At a clean end of the stream: an event whose closing blank line never came."""
        block, self._buffer = bytes(self._buffer), bytearray()
        return _payloads(block)

    def _buffered(self, data: bytes) -> list[bytes]:
        buffer = self._buffer
        unseen = max(len(buffer) - 1, 0)  # the blank line may lie across two reads; nothing else is looked at twice
        buffer += data
        end = buffer.rfind(b"\n\n", unseen)
        if end < 0:
            if len(buffer) > EVENT_BYTES_MAX:
                raise EventTooLarge
            return []
        with memoryview(buffer) as view:
            block = bytes(view[:end])
        del buffer[: end + 2]
        return _payloads(block)

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
        payload = block[6:] if block.startswith(b"data: ") and b"\n" not in block else _payload(block)
        if payload and not payload.isspace():
            payloads.append(payload)
    return payloads


def _payload(block: bytes) -> bytes:
    name, parts = b"", []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            parts.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    payload = b"\n".join(parts)
    if name == b"error" and payload and b'"error"' not in payload:
        return b'{"error":' + payload + b"}"
    return payload
