"""The streaming core, without I/O: events of a provider in, events for the caller out, and what they cost."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from multiconnection.calls.upstream import CostOf, Outcome, UpstreamError
from multiconnection.catalog.models import Provider, Quirks
from multiconnection.errors import GatewayError
from multiconnection.providers.errors import ENDED_EARLY, empty_answer, error_in, not_an_answer, reported_error
from multiconnection.providers.usage import likeliest, outcome_of, shown_usage, take_usage
from multiconnection.usage import Ended, Usage, UsageSource
from multiconnection.web.json import decode, encode, utf8_length

from .answers import Chunks, Seen, TextChunks, choices_of, estimated_usage
from .request import ChatCall
from .tool_calls import Call

DONE = b"[DONE]"
DONE_EVENT = b"data: [DONE]\n\n"
TEMPLATES_MAX = 8  # choices and kinds of text that alternate
TEMPLATES_TRIED_MAX = 64  # chunks that never resemble each other are not worth more
TEMPLATE_BYTES_MAX = 16 * 1024
PLACEHOLDER = "\ue000multiconnection\ue000"
_PLACEHOLDER = orjson.dumps(PLACEHOLDER)[1:-1]
_PADDING = b',"obfuscation":"'
# U+2028, U+2029 and U+0085 are line ends to Python's `splitlines`, and so to clients with httpx's `iter_lines`.
_SEPARATORS = re.compile(b"\xe2\x80[\xa8\xa9]|\xc2\x85")
_VALUES = {
    name: re.compile(rb'"%s"\s*:\s*"((?:[^"\\]|\\.)*)"' % name.encode())
    for name in ("content", "reasoning_content", "reasoning", "refusal", "arguments", "text")
}


class Relay:
    """One answer on its way through.

    Chunks that a template knows are passed on with their text untouched; all others are parsed, normalised and
    written anew. `templates_max=0` parses every chunk; the result means the same.
    """

    def __init__(self, provider: Provider, call: ChatCall, cost_of: CostOf, templates_max: int = TEMPLATES_MAX) -> None:
        self._provider = provider
        self.legacy = call.legacy
        self._include_usage = call.include_usage
        self._cost_of = cost_of
        self._chunks = TextChunks(call) if call.legacy else Chunks(call)
        self._meter = Meter(call, provider.quirks)
        self._templates: list[Template] = []
        self._templates_max = templates_max
        self._tries_left = TEMPLATES_TRIED_MAX if templates_max else 0
        self._last_chunk: dict[str, Any] = {}
        self._error: UpstreamError | None = None
        self._outcome: Outcome | None = None
        self.done = False

    @property
    def stopped(self) -> bool:
        """True after a [DONE] or an error: nothing more is read."""
        return self.done or self._error is not None

    @property
    def substance(self) -> bool:
        return self._meter.substance

    def outcome(self) -> Outcome:
        """Valid at any time; before the end it is what is known so far."""
        return self._outcome or self._meter.so_far()

    def accept(self, payloads: Sequence[bytes]) -> bytes:
        """The events for the caller that come of some events of the provider."""
        return b"".join([self._event(payload) for payload in payloads])

    def accept_chunk(self, chunk: dict[str, Any]) -> bytes:
        """The event for one parsed chunk."""
        try:
            return self._chunk(chunk, b"")
        except ValueError:
            return self.fail(not_an_answer())

    def fail(self, error: UpstreamError) -> bytes:
        """The first failure is the one that counts."""
        self._error = self._error or error
        return b""

    def refusal(self, failure: UpstreamError | None) -> UpstreamError:
        """The error of an answer without substance."""
        return self._error or failure or empty_answer()

    def end(self, failure: UpstreamError | None) -> list[bytes]:
        """The last items for the caller: the upstream is at its end, cut short by `failure` or not."""
        self._outcome = outcome = self._concluded(self._error or failure)
        if outcome.ended is not Ended.COMPLETE:
            return []
        last = b"".join(self._written(self._filled(self._chunks.closing(i))) for i in self._chunks.unfinished)
        if self._include_usage:
            last += self._usage_event(outcome)
        return [last, DONE_EVENT] if last else [DONE_EVENT]

    def _concluded(self, failure: UpstreamError | None) -> Outcome:
        meter, finished = self._meter, self._chunks.all_finished
        if not meter.substance:
            ended = Ended.EMPTY if failure is None else Ended.UPSTREAM_ERROR
            return meter.nothing(ended, self.refusal(failure).error)
        if self._error is None and (self.done or (finished and (failure is None or meter.final))):
            return meter.complete()
        return meter.failed((failure or not_an_answer(ENDED_EARLY)).error)

    def _event(self, payload: bytes) -> bytes:
        if self.stopped:
            return b""
        payload, padding = without_padding(payload) if payload.endswith(b'"}') else (payload, b"")
        for template in self._templates:
            text = template.text_of(payload)
            if text is not None and (template.call is None or template.call.passes(text, named=template.named)):
                self._meter.text_bytes += text_length(text)
                event = (text if text.isascii() else _SEPARATORS.sub(_escaped, text)).join(template.shown)
                return _padded(event, padding) if padding else event
        return _padded(self._parsed(payload), padding)

    def _parsed(self, payload: bytes) -> bytes:
        if payload.strip() == DONE:
            self.done = True
            return b""
        try:
            return self._decoded(decode(payload), payload)
        except ValueError:
            return self.fail(not_an_answer())

    def _decoded(self, chunk: object, payload: bytes) -> bytes:
        error = error_in(chunk)
        if error is not None:
            if isinstance(chunk, dict):
                self._meter.see(take_usage(chunk), final=True)
            return self.fail(reported_error(error, self._provider))
        if not isinstance(chunk, dict):
            return self.fail(not_an_answer())
        return self._chunk(chunk, payload)

    def _chunk(self, chunk: dict[str, Any], payload: bytes) -> bytes:
        usages, choices = take_usage(chunk), choices_of(chunk)
        if not choices:
            return self._swallow(chunk, usages)
        seen = self._chunks.normalise(chunk, choices)
        self._meter.see(usages, final=self._chunks.any_finished)
        if seen.failed:
            return self.fail(reported_error(None, self._provider))
        event = self._written(chunk)
        self._meter.text_bytes += sum(utf8_length(holder[name]) for holder, name in seen.texts)
        self._meter.substance = self._meter.substance or seen.substance
        if not usages:
            self._add_template(chunk, payload, seen)
        return event

    def _swallow(self, chunk: dict[str, Any], usages: Sequence[Mapping[str, Any]]) -> bytes:
        """Keeps a usage chunk for the end; prompt filters and other chunks without choices are dropped."""
        self._meter.see(usages, final=True)
        if usages:
            self._last_chunk = chunk
        return b""

    def _add_template(self, chunk: dict[str, Any], payload: bytes, seen: Seen) -> None:
        if seen.began:
            self._templates.clear()  # a delta without an id belongs to the newest call from here on
        if not payload or not self._tries_left or not seen.settled or len(seen.texts) != 1:
            return
        self._tries_left -= 1
        holder, name = seen.texts[0]
        text, holder[name] = holder[name], PLACEHOLDER
        if name == "reasoning_content" and holder.get("reasoning") == text and b'"reasoning_content"' not in payload:
            name = "reasoning"  # as the provider calls it; we wrote it under both names
            holder[name] = PLACEHOLDER
        call, named = seen.call if seen.call and name == "arguments" else (None, False)
        template = compile_template(payload, name, text, self._written(chunk), call, named=named)
        if template is not None:
            self._templates = [template, *self._templates[: self._templates_max - 1]]

    def _usage_event(self, outcome: Outcome) -> bytes:
        cost = {"cost": self._cost_of(outcome.usage)}
        chunk = self._filled({**self._last_chunk, "choices": []})
        try:
            return b"data: %b\n\n" % encode({**chunk, "usage": self._meter.shown(outcome) | cost})
        except ValueError:  # members of the provider's that cannot be written; ours are enough
            ours = outcome.usage.as_openai() | cost
            estimated = {"estimated": True} if outcome.source is UsageSource.ESTIMATED else {}
            return b"data: %b\n\n" % encode(self._filled({"choices": [], "usage": ours | estimated}))

    def _filled(self, chunk: dict[str, Any]) -> dict[str, Any]:
        self._chunks.fill(chunk)
        return chunk

    def _written(self, chunk: dict[str, Any]) -> bytes:
        if self._include_usage:
            chunk["usage"] = None
        event = b"data: %b\n\n" % encode(chunk)
        return event if event.isascii() else _SEPARATORS.sub(_escaped, event)


class Meter:
    """The consumption of one streamed answer so far, and the charge for each way in which it can end.

    It counts delivered text and keeps the last usage that can be right. `substance`: a token, a call, a refusal or a
    finish_reason was seen, so there is an answer to charge for. `final`: the provider has reported its last usage,
    believed or not.
    """

    __slots__ = (
        "_call",
        "_disbelieved",
        "_given",
        "_most",
        "_quirks",
        "_whole",
        "final",
        "substance",
        "text_bytes",
        "usage",
    )

    def __init__(self, call: ChatCall, quirks: Quirks) -> None:
        self._call = call
        self._quirks = quirks
        self._most = call.usage_max
        self._given: Mapping[str, Any] = {}
        self._disbelieved: Usage | None = None
        self._whole = False
        self.usage: Usage | None = None
        self.final = False
        self.substance = False
        self.text_bytes = 0

    def see(self, usages: Sequence[Mapping[str, Any]], *, final: bool) -> None:
        """Takes the usage objects of one chunk: the likeliest counts, an invalid one is as if it were absent."""
        if not usages:
            return
        given, usage = likeliest(usages, self._quirks, self._most)
        if usage is None:
            return
        self.final = final
        if usage.exceeds(self._most):
            self._disbelieved = usage
        else:
            self.usage, self._given, self._whole, self._disbelieved = usage, given, final, None

    def complete(self) -> Outcome:
        return self._measured(Ended.COMPLETE)

    def so_far(self) -> Outcome:
        """Without substance nothing billable has been generated yet that could be estimated."""
        if not self.substance and self.usage is None:
            return Outcome(Usage(), UsageSource.NONE, Ended.DEADLINE)
        return self._measured(Ended.DEADLINE)

    def failed(self, error: GatewayError) -> Outcome:
        """Charges nothing before the first token; after it the usage if given, else by the vendor's policy."""
        if not self.substance:
            return self.nothing(Ended.UPSTREAM_ERROR, error)
        if self.usage is None and not self._quirks.mid_stream_error_billed:
            return replace(self.nothing(Ended.MID_STREAM_ERROR, error), disbelieved=self._disbelieved)
        return self._measured(Ended.MID_STREAM_ERROR, error)

    def nothing(self, ended: Ended, error: GatewayError) -> Outcome:
        return Outcome(Usage(), UsageSource.NONE, ended, error)

    def shown(self, outcome: Outcome) -> dict[str, Any]:
        """The usage object for the caller."""
        if outcome.source is UsageSource.ESTIMATED:
            return outcome.usage.as_openai() | {"estimated": True}
        return shown_usage(self._given, outcome.usage)

    def _measured(self, ended: Ended, error: GatewayError | None = None) -> Outcome:
        """An earlier usage that can be right stands where the last one cannot."""
        if self.usage is None:
            estimate = estimated_usage(self._call, self.text_bytes)
            return outcome_of(self._disbelieved, self._most, estimate, ended=ended, error=error)
        source = UsageSource.UPSTREAM if self._whole and self._disbelieved is None else UsageSource.PARTIAL
        return Outcome(self.usage, source, ended, error, self._disbelieved)


@dataclass(frozen=True, slots=True)
class Template:
    """The fast path of a stream: what surrounds the text in a provider's chunk, and what surrounds it in ours.

    `shown` is our event without the text, which stands between its pieces: in one place, or a thought in two.

    The bytes around the text equal those of a chunk that was parsed and rewritten, and the text is a whole JSON
    string: so the chunk has the same structure, and rewriting it is putting its text between our bytes. Where the text
    is a piece of a tool call's arguments, `call` is asked first, and a delta that is `named` may begin another call.
    """

    head: bytes
    tail: bytes
    shown: Sequence[bytes]
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


def compile_template(
    raw: bytes, member: str, text: str, shown: bytes, call: Call | None = None, *, named: bool = False
) -> Template | None:
    """`raw` came with `text` in `member`; `shown` is our event for it with PLACEHOLDER instead of the text."""
    pattern = _VALUES.get(member)
    if pattern is None or len(raw) > TEMPLATE_BYTES_MAX or _PLACEHOLDER not in shown:
        return None
    found = list(pattern.finditer(raw))
    if len(found) != 1 or decode(b'"%b"' % found[0][1]) != text:
        return None
    return Template(raw[: found[0].start(1)], raw[found[0].end(1) :], shown.split(_PLACEHOLDER), call, named)


def text_length(text: bytes) -> int:
    """UTF-8 bytes of a JSON string's text."""
    return len(text) if b"\\" not in text else len(orjson.loads(b'"%b"' % text).encode())


def without_padding(raw: bytes) -> tuple[bytes, bytes]:
    """A chunk and its last member, when that is OpenAI's random `obfuscation`: it differs on every chunk."""
    at = raw.rfind(_PADDING)
    if at < 0 or not raw[at + len(_PADDING) : -2].isalnum():
        return raw, b""
    return raw[:at] + b"}", raw[at:]


def _escaped(separator: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(separator[0].decode())


def _padded(event: bytes, padding: bytes) -> bytes:
    """Puts the padding back at the end of the object."""
    return b"%b%b\n\n" % (event[: -len(b"}\n\n")], padding) if event and padding else event
