"""The fast path of a stream: a chunk that differs from one already understood only inside its text."""

import re
from dataclasses import dataclass

import orjson

from .tool_deltas import Call
from .wire_json import decode

HOLE = "\ue000multiconnection\ue000"
_HOLE = orjson.dumps(HOLE)[1:-1]
_PADDING = b',"obfuscation":"'
LEARNABLE_BYTES_MAX = 16 * 1024
_VALUES = {
    name: re.compile(rb'"%s"\s*:\s*"((?:[^"\\]|\\.)*)"' % name.encode())
    for name in ("content", "reasoning_content", "reasoning", "refusal", "arguments", "text")
}


@dataclass(frozen=True, slots=True)
class Template:
    """What surrounds the text in a provider's chunk, and what surrounds it in ours.

    The bytes around the text equal those of a chunk that was parsed and rewritten, and the text is a whole JSON
    string: so the chunk has the same structure, and rewriting it is putting its text between our bytes. Where the text
    is a piece of a tool call's arguments, `call` is asked first, and a delta that is `named` may begin another call.
    """

    head: bytes
    tail: bytes
    head_shown: bytes
    tail_shown: bytes
    call: Call | None = None
    named: bool = False

    def text_of(self, raw: bytes) -> bytes | None:
        """The text as it stands in `raw`, escapes included; None when `raw` is anything else than this template."""
        head, tail = self.head, self.tail
        if not raw.startswith(head) or not raw.endswith(tail):
            return None
        start, end = len(head), len(raw) - len(tail)
        if end < start:
            return None
        text = raw[start:end]
        try:
            orjson.loads(b'"%b"' % text)
        except orjson.JSONDecodeError:
            return None
        return text


def learn(
    raw: bytes, member: str, text: str, shown: bytes, call: Call | None = None, *, named: bool = False
) -> Template | None:
    """`raw` came with `text` in `member`; `shown` is our event for it with HOLE instead of the text."""
    pattern = _VALUES.get(member)
    if pattern is None or len(raw) > LEARNABLE_BYTES_MAX or shown.count(_HOLE) != 1:
        return None
    found = list(pattern.finditer(raw))
    if len(found) != 1 or decode(b'"%b"' % found[0][1]) != text:
        return None
    head_shown, tail_shown = shown.split(_HOLE)
    return Template(raw[: found[0].start(1)], raw[found[0].end(1) :], head_shown, tail_shown, call, named)


def text_length(text: bytes) -> int:
    """UTF-8 bytes of a JSON string's text."""
    return len(text) if b"\\" not in text else len(orjson.loads(b'"%b"' % text).encode())


def without_padding(raw: bytes) -> tuple[bytes, bytes]:
    """A chunk and its last member, when that is OpenAI's random `obfuscation`: it differs on every chunk."""
    at = raw.rfind(_PADDING)
    if at < 0 or not raw[at + len(_PADDING) : -2].isalnum():
        return raw, b""
    return raw[:at] + b"}", raw[at:]
