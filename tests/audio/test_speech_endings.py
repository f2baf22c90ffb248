"""The endings table for speech: each line with its row, its charge and what the caller heard."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest

from multiconnection.calls.streaming import StreamedAnswer
from multiconnection.providers.errors import AnswerTimedOut, ConnectFailed, ConnectionCut, TransportFailure
from multiconnection.usage import Ended, UsageSource
from tests.support.event_stream import empty_events
from tests.support.fake_http import FakeReply, json_reply, typed_reply
from tests.support.speech_world import AUDIO, MINI, TTS, Listener, SpeechWorld, audio, delta, done, events

pytestmark = pytest.mark.virtual_time


WHOLE = 13 * 15_000
# 13 characters are 4 tokens of text; 15 bytes of MP3 are not longer than one token of audio.
GUESS = 4 * 600 + 1 * 12_000
COUNTED = 14 * 600 + 101 * 12_000
CUT = ConnectionCut("cut")
BAD = {"error": {"message": "Invalid voice.", "type": "invalid_request_error", "param": "voice", "code": "bad_voice"}}
NONE, REQUEST, ESTIMATED = UsageSource.NONE, UsageSource.REQUEST, UsageSource.ESTIMATED
MINI_EVENTS = {"model": MINI, "stream_format": "sse"}


def said(*pieces: bytes | float | TransportFailure) -> FakeReply:
    """Two pieces of the audio, and then."""
    return audio(*AUDIO[:2], *pieces)


def told(*pieces: bytes | float | TransportFailure) -> FakeReply:
    return events(*map(delta, AUDIO[:2]), *pieces)


FAILED_EVENT = b'event: error\ndata: {"type":"error","error":{"message":"boom","code":"server_error"}}\n\n'
GARBLED = b'event: speech.audio.delta\ndata: {"type":"speech.audio.delta","audio":"%%%%"}\n\n'

Make = Callable[[], FakeReply | TransportFailure]
Nothing = tuple[str, Make, str, int, Ended]
# Replies that end before any audio: (name, reply, code, status, ended).
NOTHING: list[Nothing] = [
    ("refused", lambda: json_reply(BAD, 400), "bad_voice", 400, Ended.UPSTREAM_ERROR),
    ("broken", lambda: json_reply({"error": "x"}, 500), "upstream_error", 502, Ended.UPSTREAM_ERROR),
    ("our key", lambda: json_reply({"error": "x"}, 401), "upstream_auth_error", 502, Ended.UPSTREAM_ERROR),
    ("busy", lambda: json_reply({"error": "x"}, 429), "rate_limited", 429, Ended.UPSTREAM_ERROR),
    ("not reached", lambda: ConnectFailed("no"), "upstream_error", 502, Ended.UPSTREAM_ERROR),
    ("no answer", lambda: AnswerTimedOut("slow"), "upstream_timeout", 504, Ended.UPSTREAM_ERROR),
    ("cut before the first byte", lambda: audio(CUT), "upstream_error", 502, Ended.UPSTREAM_ERROR),
    ("a JSON error with 200", lambda: json_reply(BAD), "bad_voice", 400, Ended.UPSTREAM_ERROR),
    (
        "a problem with 200",
        lambda: typed_reply("application/problem+json", orjson.dumps(BAD)),
        "bad_voice",
        400,
        Ended.UPSTREAM_ERROR,
    ),
    ("other JSON with 200", lambda: json_reply({"ok": True}), "upstream_error", 502, Ended.UPSTREAM_ERROR),
    (
        "broken JSON with 200",
        lambda: typed_reply("application/json", b"{"),
        "upstream_error",
        502,
        Ended.UPSTREAM_ERROR,
    ),
    ("empty JSON with 200", lambda: typed_reply("application/json", b" "), "upstream_error", 502, Ended.EMPTY),
    (
        "cut JSON with 200",
        lambda: typed_reply("problem/x+json", CUT),
        "upstream_error",
        502,
        Ended.UPSTREAM_ERROR,
    ),
    ("HTML with 200", lambda: typed_reply("text/html", b"<html>"), "upstream_error", 502, Ended.UPSTREAM_ERROR),
    (
        "XML with 200",
        lambda: typed_reply("application/xml", b"<x/>"),
        "upstream_error",
        502,
        Ended.UPSTREAM_ERROR,
    ),
]
NO_BYTES: list[Nothing] = [
    ("empty", lambda: typed_reply("audio/mpeg"), "upstream_error", 502, Ended.EMPTY),
    ("events that nobody asked for", lambda: events(), "upstream_error", 502, Ended.UPSTREAM_ERROR),
]
NO_EVENTS: list[Nothing] = [
    ("an error first", lambda: events(FAILED_EVENT), "upstream_error", 502, Ended.UPSTREAM_ERROR),
    ("empty", lambda: typed_reply("text/event-stream"), "upstream_error", 502, Ended.EMPTY),
    ("no event", lambda: events(b": nothing\n\n"), "upstream_error", 502, Ended.EMPTY),
    ("silent audio only", lambda: events(delta(b""), done()), "upstream_error", 502, Ended.EMPTY),
    ("an end only", lambda: events(done()), "upstream_error", 502, Ended.EMPTY),
    ("audio that is none", lambda: events(GARBLED), "upstream_error", 502, Ended.UPSTREAM_ERROR),
    (
        "audio that is a number",
        lambda: events(GARBLED.replace(b'"%%%%"', b"7")),
        "upstream_error",
        502,
        Ended.UPSTREAM_ERROR,
    ),
    ("an event that is a list", lambda: events(b"data: []\n\n"), "upstream_error", 502, Ended.UPSTREAM_ERROR),
]
BYTES_FOR_EVENTS: list[Nothing] = [("bytes for events", lambda: audio(), "upstream_error", 502, Ended.UPSTREAM_ERROR)]
MODES: dict[str, tuple[dict[str, Any], list[Nothing]]] = {
    "by characters": ({"model": TTS}, NOTHING + NO_BYTES),
    "by tokens": ({"model": MINI}, NOTHING + NO_EVENTS),
    "as events": (MINI_EVENTS, NOTHING + NO_EVENTS + BYTES_FOR_EVENTS),
}
CASES = [
    pytest.param(body, *case[1:], id=f"{case[0]}, {mode}") for mode, (body, cases) in MODES.items() for case in cases
]


@pytest.mark.parametrize(("body", "make", "code", "status", "ended"), CASES)
async def test_an_answer_that_fails_before_its_audio_is_an_error_and_costs_nothing(
    body: dict[str, Any], make: Make, code: str, status: int, ended: Ended
) -> None:
    world = SpeechWorld(make(), make())
    heard = await world.speak(await world.caller(), **body)
    assert heard.refused is not None
    assert (heard.refused.code, heard.refused.http_status) == (code, status)
    row = await world.settled_row()
    assert (row.ended, row.usage_source, row.cost) == (ended, NONE, 0)
    assert row.attempts == (1 if status == 400 else 2)
    assert (await world.account()).available == 10**9


@pytest.mark.parametrize("body", [{"model": TTS}, {"model": MINI}, MINI_EVENTS])
async def test_another_provider_is_asked_while_nothing_was_heard(body: dict[str, Any]) -> None:
    good = audio() if body["model"] == TTS else events()
    world = SpeechWorld(json_reply({"error": "x"}, 500), good)
    heard = await world.speak(await world.caller(), **body)
    assert heard.clean
    assert [posted.json["model"] for posted in world.http.posted] == ["theirs-1", "theirs-2"]
    row = await world.settled_row()
    assert (row.provider, row.attempts) == ("two", 2)
    assert row.cost == (WHOLE if body["model"] == TTS else COUNTED)


@dataclass(frozen=True)
class Broken:
    """An answer that breaks after two of its three pieces; `billed` is what it costs where the vendor bills it."""

    name: str
    body: dict[str, Any]
    reply: Callable[[], FakeReply]
    billed: int
    source: UsageSource


BROKEN = [
    Broken("cut", {}, lambda: said(CUT), WHOLE, REQUEST),
    Broken("silent for too long", {}, lambda: said(AnswerTimedOut("idle")), WHOLE, REQUEST),
    Broken("cut", {"model": MINI}, lambda: told(CUT), GUESS, ESTIMATED),
    Broken("ends without an end", {"model": MINI}, lambda: told(), GUESS, ESTIMATED),
    Broken("error event", {"model": MINI}, lambda: told(FAILED_EVENT), GUESS, ESTIMATED),
    Broken("garbled", {"model": MINI}, lambda: told(GARBLED), GUESS, ESTIMATED),
    Broken("not JSON", {"model": MINI}, lambda: told(b"data: {\n\n"), GUESS, ESTIMATED),
    Broken("cut", MINI_EVENTS, lambda: told(CUT), GUESS, ESTIMATED),
    Broken("ends without an end", MINI_EVENTS, lambda: told(), GUESS, ESTIMATED),
    Broken("error event", MINI_EVENTS, lambda: told(FAILED_EVENT), GUESS, ESTIMATED),
]


@pytest.mark.parametrize("billed", [True, False])
@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: f"{each.name}-{each.body or 'by characters'}")
async def test_an_answer_that_breaks_has_no_clean_end_and_the_vendors_policy_is_the_price(
    broken: Broken, billed: bool
) -> None:
    world = SpeechWorld(broken.reply())
    one = world.providers["one"]
    world.providers["one"] = replace(one, quirks=replace(one.quirks, mid_stream_error_billed=billed))
    heard = await world.speak(await world.caller(), **broken.body)
    events_asked = broken.body.get("stream_format") == "sse"
    assert heard.clean is events_asked
    if events_asked:
        assert heard.received[:2] == [delta(data) for data in AUDIO[:2]]
        assert heard.received[-1].startswith(b'event: error\ndata: {"type":"error","error":{')
        assert b"speech.audio.done" not in heard.text
    else:
        assert heard.received == AUDIO[:2]
    row = await world.settled_row()
    assert row.ended is Ended.MID_STREAM_ERROR
    assert (row.cost, row.usage_source) == ((broken.billed, broken.source) if billed else (0, NONE))
    assert row.attempts == 1


@pytest.mark.parametrize(
    ("body", "reply", "cost", "source"),
    [
        ({}, said(10_000.0), WHOLE, REQUEST),
        ({"model": MINI}, told(10_000.0), GUESS, ESTIMATED),
        (MINI_EVENTS, told(10_000.0), GUESS, ESTIMATED),
    ],
)
async def test_our_own_deadline_ends_the_answer_and_charges_what_was_spoken(
    body: dict[str, Any], reply: FakeReply, cost: int, source: UsageSource
) -> None:
    world = SpeechWorld(reply)
    heard = await world.speak(await world.caller(), **body)
    events_asked = body.get("stream_format") == "sse"
    assert heard.clean is events_asked
    assert (b'"code":"upstream_timeout"' in heard.text) is events_asked
    row = await world.settled_row()
    assert (row.ended, row.cost, row.usage_source) == (Ended.DEADLINE, cost, source)


@pytest.mark.parametrize(("body", "reply"), [({}, audio(10_000.0)), ({"model": MINI}, events(10_000.0))])
async def test_silence_until_the_deadline_is_an_error_that_costs_nothing(
    body: dict[str, Any], reply: FakeReply
) -> None:
    world = SpeechWorld(reply)
    heard = await world.speak(await world.caller(), **body)
    assert heard.refused is not None
    assert heard.refused.http_status == 504
    await asyncio.sleep(1)
    row = await world.settled_row()
    assert (row.ended, row.cost) == (Ended.DEADLINE, 0)


async def test_events_keep_the_connection_alive_and_bytes_cannot() -> None:
    world = SpeechWorld(events(40.0, *map(delta, AUDIO), done()), audio(AUDIO[0], 40.0, *AUDIO[1:]))
    caller = await world.caller()
    told_of = await world.speak(caller, **MINI_EVENTS)
    assert told_of.text.startswith(b": keep-alive\n")
    assert empty_events(told_of.text) == 0
    assert told_of.clean
    heard = await world.speak(caller)
    assert (heard.received, heard.clean) == (AUDIO, True)


class Gone(Listener):
    """Hangs up after the first piece."""

    async def send(self, chunk: bytes) -> None:
        if self.received:
            raise OSError
        await super().send(chunk)


@pytest.mark.parametrize(("body", "cost"), [({}, WHOLE), ({"model": MINI}, COUNTED), (MINI_EVENTS, COUNTED)])
async def test_a_client_that_left_is_charged_for_the_whole_answer(body: dict[str, Any], cost: int) -> None:
    world = SpeechWorld(events() if body else audio())
    heard = await world.speak_to(Gone(), await world.caller(), **body)
    assert len(heard.received) == 1
    row = await world.settled_row()
    assert (row.ended, row.cost) == (Ended.COMPLETE, cost)


class Slow(Listener):
    """Takes for ever to read the last event."""

    async def send(self, chunk: bytes) -> None:
        await super().send(chunk)
        if b"speech.audio.done" in chunk:
            await asyncio.sleep(10_000)


async def test_an_answer_of_which_only_the_end_is_not_read_is_complete() -> None:
    world = SpeechWorld(events())
    await world.speak_to(Slow(), await world.caller(), **MINI_EVENTS)
    row = await world.settled_row()
    assert (row.ended, row.cost) == (Ended.COMPLETE, COUNTED)


async def test_a_cancelled_call_is_settled_and_hangs_up() -> None:
    world = SpeechWorld(said(1000.0))
    caller = await world.caller()
    task = asyncio.ensure_future(world.speak(caller))
    await asyncio.sleep(10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    row = await world.settled_row()
    assert (row.ended, row.cost) == (Ended.DEADLINE, WHOLE)


async def test_a_killed_process_leaves_the_call_to_the_sweeper_at_no_cost() -> None:
    world = SpeechWorld(audio())
    caller = await world.caller()
    answer = await world.speech.speak(caller, {"model": TTS, "input": "a", "voice": "alloy"}, world.arrival())
    assert isinstance(answer, StreamedAnswer)
    await asyncio.sleep(900 + 120 + 61)
    assert (await world.ledger.sweep("a1")).ended == 1
    (row,) = await world.rows()
    assert (row.ended, row.cost, row.decided_by) == (Ended.KILLED, 0, "sweeper")


async def test_more_tokens_than_can_be_spoken_are_not_believed_and_alarmed() -> None:
    world = SpeechWorld(events(delta(b"x"), done({"input_tokens": 10**9, "output_tokens": 10**9})))
    await world.speak(await world.caller(), model=MINI)
    row = await world.settled_row()
    assert row.usage_source is UsageSource.ESTIMATED
    assert 0 < row.cost < row.hold < row.overrun
    assert world.alarms.raised == ["overrun"]
