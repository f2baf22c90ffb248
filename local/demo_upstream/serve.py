"""Sends an answer, streamed or whole, with the model's timing and ending."""

import asyncio
from collections.abc import Iterator
from itertools import cycle

from local.demo_upstream.answer import Answer
from local.demo_upstream.ask import Ask
from local.demo_upstream.behaviours import FAIL_AFTER_CHUNKS, Ending, Profile
from local.demo_upstream.canned import CANNED, JSON, SERVER_ERROR, Headers, canned
from local.demo_upstream.completion import completion
from local.demo_upstream.dialects import Script
from local.demo_upstream.exchange import Exchange
from local.demo_upstream.frames import DONE, error_event

SSE: Headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
BREAKING = (Ending.ERROR, Ending.CUT, Ending.EOF)
# Sizes that tear CRLF pairs, UTF-8 sequences and field names.
AWKWARD_SIZES = (1, 2, 3, 7, 1, 13, 31, 64)


async def stream(exchange: Exchange, ask: Ask, profile: Profile, answer: Answer) -> None:
    """Headers at once, then the events; each event is a write of its own."""
    await exchange.start(200, SSE)
    await exchange.pause(_or(ask.demo.first_delay_ms, profile.first_delay_ms))
    ending = _ending(ask, profile)
    if ending in (Ending.EMPTY, Ending.ERROR_FIRST):
        events = [error_event(SERVER_ERROR)] if ending is Ending.ERROR_FIRST else []
    else:
        events = await _most_events(exchange, ask, profile, profile.dialect(ask, answer))
    for event in events:
        await exchange.write(event)
    if ending is not Ending.CUT:
        await exchange.end()


async def whole(exchange: Exchange, ask: Ask, profile: Profile, answer: Answer) -> None:
    """The completion as one JSON body, after the time that streaming it would have taken."""
    ending = _ending(ask, profile)
    pieces = 0 if answer.choices[0].tool_calls else len(answer.choices[0].pieces)
    await exchange.pause(_or(ask.demo.first_delay_ms, profile.first_delay_ms))
    await exchange.pause(_or(ask.demo.delay_ms, profile.delay_ms) * pieces)
    if ending in (Ending.ERROR, Ending.ERROR_FIRST):
        await exchange.respond(CANNED["error-500"])
        return
    body = (b"\n\n\n" if profile.blank_lines else b"") + completion(ask, answer)
    half = body[: len(body) // 2]
    if ending is Ending.CUT:
        await exchange.start(200, canned(200, body).headers)
        await exchange.write(half)
        return
    await exchange.respond(canned(200, {Ending.EMPTY: b"", Ending.EOF: half}.get(ending, body), JSON))


async def _most_events(exchange: Exchange, ask: Ask, profile: Profile, script: Script) -> list[bytes]:
    """Sends the opening and the body at the model's pace; returns the events that are left."""
    ending = _ending(ask, profile)
    body = script.body[: _or(ask.demo.fail_after_chunks, FAIL_AFTER_CHUNKS)] if ending in BREAKING else script.body
    closing = {Ending.ERROR: [error_event(SERVER_ERROR)], Ending.CUT: [], Ending.EOF: []}.get(ending, script.closing)
    if ending is Ending.DONE:
        closing = [*closing, DONE]
    if profile.torn:
        await _scatter(exchange, b"".join([*script.opening, *body, *closing]).replace(b"\n", b"\r\n"))
        return []
    delay_ms = _or(ask.demo.delay_ms, profile.delay_ms)
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


def _ending(ask: Ask, profile: Profile) -> Ending:
    if ask.demo.fail_after_chunks is not None and profile.ending not in BREAKING:
        return Ending.ERROR
    return profile.ending


def _or(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given
