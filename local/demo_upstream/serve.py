"""Sends an answer, streamed or whole, with the model's timing and ending."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle

from local.demo_upstream.answer import Answer
from local.demo_upstream.ask import Ask, Demo
from local.demo_upstream.behaviours import FAIL_AFTER_CHUNKS, Ending, Profile
from local.demo_upstream.canned import CANNED, JSON, SERVER_ERROR, Headers, canned
from local.demo_upstream.completion import completion
from local.demo_upstream.dialects import Script
from local.demo_upstream.exchange import Exchange
from local.demo_upstream.frames import DONE, error_event, named_event

SSE: Headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
BREAKING = (Ending.ERROR, Ending.CUT, Ending.EOF)
# Sizes that tear CRLF pairs, UTF-8 sequences and field names.
AWKWARD_SIZES = (1, 2, 3, 7, 1, 13, 31, 64)
# Audio comes in at least so many pieces, so that the shortest can be cut in its middle, and none is longer than this.
AUDIO_CHUNKS_MIN = 8
AUDIO_CHUNK_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Style:
    """What ends the streams of an endpoint, well or badly."""

    error: bytes
    done: tuple[bytes, ...]


COMPLETIONS = Style(error_event(SERVER_ERROR), (DONE,))
NAMED = Style(named_event("error", SERVER_ERROR), ())


async def stream(exchange: Exchange, ask: Ask, profile: Profile, answer: Answer) -> None:
    """A streamed chat answer."""
    await play(exchange, ask.demo, profile, COMPLETIONS, lambda: profile.dialect(ask, answer))


async def whole(exchange: Exchange, ask: Ask, profile: Profile, answer: Answer) -> None:
    """The chat completion as one JSON body."""
    pieces = 0 if answer.choices[0].tool_calls else len(answer.choices[0].pieces)
    await respond(exchange, ask.demo, profile, completion(ask, answer), pieces)


async def play(
    exchange: Exchange, demo: Demo, profile: Profile, style: Style, write_script: Callable[[], Script]
) -> None:
    """Headers at once, then the events; each event is a write of its own."""
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
    """One body, after the time that streaming its pieces would have taken."""
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


async def respond_in_chunks(exchange: Exchange, demo: Demo, profile: Profile, body: bytes, kind: bytes) -> None:
    """Raw bytes without a length; an error in their middle can only drop the connection."""
    ending = _ending(demo, profile)
    if ending is Ending.ERROR_FIRST:
        await exchange.respond(CANNED["error-500"])
        return
    await exchange.start(200, [(b"content-type", kind)])
    await exchange.pause(_or(demo.first_delay_ms, profile.first_delay_ms))
    for chunk in _kept_chunks(body, demo, ending):
        await exchange.pause(_or(demo.delay_ms, profile.delay_ms))
        await exchange.write(chunk)
    if ending not in (Ending.CUT, Ending.ERROR):
        await exchange.end()


def chunks_of(audio: bytes) -> list[bytes]:
    """Pieces of one size; the last one may be shorter."""
    size = max(1, min(AUDIO_CHUNK_BYTES_MAX, len(audio) // AUDIO_CHUNKS_MIN))
    return [audio[at : at + size] for at in range(0, len(audio), size)]


def _kept_chunks(body: bytes, demo: Demo, ending: Ending) -> list[bytes]:
    if ending is Ending.EMPTY:
        return []
    chunks = chunks_of(body)
    return chunks[: _or(demo.fail_after_chunks, FAIL_AFTER_CHUNKS)] if ending in BREAKING else chunks


async def _most_events(exchange: Exchange, demo: Demo, profile: Profile, style: Style, script: Script) -> list[bytes]:
    """Sends the opening and the body at the model's pace; returns the events that are left."""
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
