"""Sending an answer with the model's timing and ending, and the request to any endpoint but chat."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, cycle, islice, repeat
from typing import Any

import orjson

from local.demo_upstream.behaviours import FAIL_AFTER_CHUNKS, Ending, Profile, Quirk, base_of, profile_of
from local.demo_upstream.dialects import Counts, Script
from local.demo_upstream.wire import (
    CANNED,
    DONE,
    JSON,
    NO_DEMO,
    SERVER_ERROR,
    BadRequest,
    Demo,
    Exchange,
    Fields,
    Headers,
    Json,
    Scope,
    Upload,
    canned,
    demo_of,
    error_event,
    json_object,
    missing,
    named_event,
    parse_form,
)

SSE: Headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
BREAKING = (Ending.ERROR, Ending.CUT, Ending.EOF)
# Sizes that tear CRLF pairs, UTF-8 sequences and field names.
AWKWARD_SIZES = (1, 2, 3, 7, 1, 13, 31, 64)
# Audio comes in at least this many pieces, so that the shortest can be cut in its middle, each of at most this size.
AUDIO_CHUNKS_MIN = 8
AUDIO_CHUNK_BYTES_MAX = 4096
ECHO_WORDS_MAX = 40
_PIECE = re.compile(r"\s*\S+(?:\s+$)?|\s+")


@dataclass(frozen=True, slots=True)
class Style:
    """The events that end the streams of an endpoint, badly or well."""

    error: bytes
    done: tuple[bytes, ...]


COMPLETIONS = Style(error_event(SERVER_ERROR), (DONE,))
NAMED = Style(named_event("error", SERVER_ERROR), ())


@dataclass(frozen=True, slots=True)
class Call:
    """A request to any endpoint but chat.

    `base` is the model's name without its behaviour, `origin` the address at which the server was reached.
    """

    exchange: Exchange
    model: str
    base: str
    profile: Profile
    fields: Fields
    files: dict[str, list[Upload]]
    demo: Demo
    origin: str

    @property
    def quirk(self) -> Quirk:
        return self.profile.quirk

    @property
    def streams(self) -> bool:
        return self.fields.flag("stream") and not self.profile.never_streams

    @property
    def recorded(self) -> Json:
        """The request as /_stats shows it; of a file only name, type and size."""
        files = {
            name: [{"filename": one.name, "content_type": one.kind, "bytes": len(one.data)} for one in found]
            for name, found in self.files.items()
        }
        return {**self.fields.values, **files}

    async def respond(self, body: bytes, kind: bytes = JSON) -> None:
        """Send one body in the model's way."""
        await respond(self.exchange, self.demo, self.profile, body, 1, kind)

    async def play(self, style: Style, write_script: Callable[[], Script]) -> None:
        """Send events in the model's way."""
        await play(self.exchange, self.demo, self.profile, style, write_script)

    def report(self, given: int, made: int, shape: Callable[[Any, Any, Any], Json]) -> Json | None:
        """Usage in the endpoint's shape, of input, output and total as the model reports them; None for nothing."""
        counted = self.profile.usage(Counts(given, made, 0, 0))
        if counted is None or self.demo.usage is not None:
            return counted and self.demo.usage
        return shape(counted["prompt_tokens"], counted["completion_tokens"], counted["total_tokens"])


Endpoint = Callable[[Call], Awaitable[None]]


async def receive_call(scope: Scope, exchange: Exchange, default_model: str | None) -> Call:
    """Read the body and the model; everything else in the body is left to the endpoint. Raises BadRequest."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    fields, files = _parsed(headers.get(b"content-type", ""), await exchange.body())
    model = fields.text("model") or default_model
    if model is None:
        raise missing("model")
    return Call(
        exchange=exchange,
        model=model,
        base=base_of(model),
        profile=profile_of(model),
        fields=fields,
        files=files,
        demo=_demo(fields),
        origin=f"{scope['scheme']}://{headers.get(b'host', '127.0.0.1')}",
    )


def _parsed(content_type: str, body: bytes) -> tuple[Fields, dict[str, list[Upload]]]:
    if not content_type.lower().startswith("multipart/form-data"):
        return Fields(json_object(body)), {}
    form = parse_form(content_type, body)
    return Fields(form.fields, form=True), form.files


def _demo(fields: Fields) -> Demo:
    given = fields.get("demo")
    if not isinstance(given, str):
        return NO_DEMO if given is None else demo_of(given)
    try:
        return demo_of(orjson.loads(given))
    except orjson.JSONDecodeError as exc:
        raise BadRequest("Invalid 'demo': expected JSON.", "demo", "invalid_type") from exc


async def play(
    exchange: Exchange, demo: Demo, profile: Profile, style: Style, write_script: Callable[[], Script]
) -> None:
    """Send headers at once, then the events; each event is a write of its own."""
    await exchange.start(200, SSE)
    await exchange.pause(_or(demo.first_delay_ms, profile.first_delay_ms))
    ending = _ending(demo, profile)
    if ending in (Ending.EMPTY, Ending.ERROR_FIRST):
        events = [style.error] if ending is Ending.ERROR_FIRST else []
    else:
        events = await _most_events(exchange, demo, profile, style, write_script())
    for event in events:
        await exchange.write(event)
    if ending is not Ending.CUT:
        await exchange.end()


async def respond(
    exchange: Exchange, demo: Demo, profile: Profile, body: bytes, pieces: int = 0, kind: bytes = JSON
) -> None:
    """Send one body, after the time that streaming its pieces would have taken."""
    ending = _ending(demo, profile)
    await exchange.pause(_or(demo.first_delay_ms, profile.first_delay_ms))
    await exchange.pause(_or(demo.delay_ms, profile.delay_ms) * pieces)
    if ending in (Ending.ERROR, Ending.ERROR_FIRST):
        await exchange.respond(CANNED["error-500"])
        return
    body = (b"\n\n\n" if profile.blank_lines else b"") + body
    half = body[: len(body) // 2]
    if ending is Ending.CUT:
        await exchange.start(200, canned(200, body, kind).headers)
        await exchange.write(half)
        return
    await exchange.respond(canned(200, {Ending.EMPTY: b"", Ending.EOF: half}.get(ending, body), kind))


async def respond_in_chunks(call: Call, body: bytes, kind: bytes) -> None:
    """Send raw bytes without a length; an error in their middle can only drop the connection."""
    exchange, demo, ending = call.exchange, call.demo, _ending(call.demo, call.profile)
    if ending is Ending.ERROR_FIRST:
        await exchange.respond(CANNED["error-500"])
        return
    await exchange.start(200, [(b"content-type", kind)])
    await exchange.pause(_or(demo.first_delay_ms, call.profile.first_delay_ms))
    for chunk in _kept_chunks(body, demo, ending):
        await exchange.pause(_or(demo.delay_ms, call.profile.delay_ms))
        await exchange.write(chunk)
    if ending not in (Ending.CUT, Ending.ERROR):
        await exchange.end()


def chunks_of(audio: bytes) -> list[bytes]:
    """Pieces of one size; the last one may be shorter."""
    size = max(1, min(AUDIO_CHUNK_BYTES_MAX, len(audio) // AUDIO_CHUNKS_MIN))
    return [audio[at : at + size] for at in range(0, len(audio), size)]


@lru_cache(maxsize=64)
def pieces(text: str, count: int | None = None) -> tuple[str, ...]:
    """One piece for each word with the space before it; exactly `count` of them if given, repeated or cut."""
    found = tuple(_PIECE.findall(text))
    if count is None:
        return found
    return tuple(islice(chain.from_iterable(repeat(found or ("demo ",))), count))


def shortened(text: str) -> str:
    """The words of a text that an answer repeats."""
    words = text.split()
    return " ".join(words[:ECHO_WORDS_MAX]) + (" …" if len(words) > ECHO_WORDS_MAX else "")


def until_stop(text: str, stop: object) -> str:
    """The text before the first stop sequence."""
    if isinstance(stop, str):
        stop = [stop]
    if isinstance(stop, list):
        for sequence in stop:
            if isinstance(sequence, str) and sequence:
                text = text.partition(sequence)[0]
    return text


def _kept_chunks(body: bytes, demo: Demo, ending: Ending) -> list[bytes]:
    if ending is Ending.EMPTY:
        return []
    chunks = chunks_of(body)
    return chunks[: _or(demo.fail_after_chunks, FAIL_AFTER_CHUNKS)] if ending in BREAKING else chunks


async def _most_events(exchange: Exchange, demo: Demo, profile: Profile, style: Style, script: Script) -> list[bytes]:
    """Send the opening and the body at the model's pace; returns the events that are left."""
    ending = _ending(demo, profile)
    body = script.body[: _or(demo.fail_after_chunks, FAIL_AFTER_CHUNKS)] if ending in BREAKING else script.body
    closing = {Ending.ERROR: [style.error], Ending.CUT: [], Ending.EOF: []}.get(ending, script.closing)
    if ending is Ending.DONE:
        closing = [*closing, *style.done]
    if profile.torn:
        await _scatter(exchange, b"".join([*script.opening, *body, *closing]).replace(b"\n", b"\r\n"))
        return []
    delay_ms = _or(demo.delay_ms, profile.delay_ms)
    for event in script.opening:
        await exchange.write(event)
    for event in body:
        if delay_ms:
            await exchange.pause(delay_ms)
        await exchange.write(event)
    return closing


async def _scatter(exchange: Exchange, data: bytes) -> None:
    for part in _torn(data):
        await exchange.write(part)
        # Lets the transport send this part before the next one is written.
        await asyncio.sleep(0)


def _torn(data: bytes) -> Iterator[bytes]:
    at = 0
    for size in cycle(AWKWARD_SIZES):
        if at >= len(data):
            return
        yield data[at : at + size]
        at += size


def _ending(demo: Demo, profile: Profile) -> Ending:
    if demo.fail_after_chunks is not None and profile.ending not in BREAKING:
        return Ending.ERROR
    return profile.ending


def _or(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given
