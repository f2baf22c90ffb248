"""Endings that only speech has: replies that are no audio, and audio that cannot be read.

Those that it shares with the other endpoints are in tests/calls/test_endpoints.py and test_endpoint_streams.py.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from multiconnection.calls.streaming import StreamedAnswer
from multiconnection.providers.errors import ConnectionCut
from multiconnection.usage import Ended, UsageSource
from tests.support.fake_http import FakeReply, json_reply, typed_reply
from tests.support.speech_world import AUDIO, MINI, TTS, SpeechWorld, audio, delta, done, events

pytestmark = pytest.mark.virtual_time

BAD = {"error": {"message": "Invalid voice.", "type": "invalid_request_error", "param": "voice", "code": "bad_voice"}}
GARBLED = b'event: speech.audio.delta\ndata: {"type":"speech.audio.delta","audio":"%%%%"}\n\n'
CHARACTERS, TOKENS = {"model": TTS}, {"model": MINI}
TOKENS_AS_EVENTS = {"model": MINI, "stream_format": "sse"}
ERROR, EMPTY = Ended.UPSTREAM_ERROR, Ended.EMPTY
Case = tuple[str, Callable[[], FakeReply], Ended]

NO_AUDIO: list[Case] = [
    ("other JSON", lambda: json_reply({"ok": True}), ERROR),
    ("cut JSON of another type", lambda: typed_reply("problem/x+json", ConnectionCut("cut")), ERROR),
    ("XML", lambda: typed_reply("application/xml", b"<x/>"), ERROR),
]
NO_BYTES: list[Case] = [("events that were not asked for", lambda: events(), ERROR)]
NO_EVENTS: list[Case] = [
    ("silent audio only", lambda: events(delta(b""), done()), EMPTY),
    ("an end only", lambda: events(done()), EMPTY),
    ("audio that is not base64", lambda: events(GARBLED), ERROR),
    ("audio that is a number", lambda: events(GARBLED.replace(b'"%%%%"', b"7")), ERROR),
]
BYTES_FOR_EVENTS: list[Case] = [("bytes for events", lambda: audio(), ERROR)]
CASES = [
    pytest.param(body, make, ended, id=f"{name}, {mode}")
    for mode, body, cases in (
        ("by characters", CHARACTERS, NO_AUDIO + NO_BYTES),
        ("by tokens", TOKENS, NO_AUDIO + NO_EVENTS),
        ("as events", TOKENS_AS_EVENTS, NO_AUDIO + NO_EVENTS + BYTES_FOR_EVENTS),
    )
    for name, make, ended in cases
]


@pytest.mark.parametrize(("body", "make", "ended"), CASES)
async def test_a_reply_without_audio_is_an_error_and_costs_nothing(
    body: dict[str, Any], make: Callable[[], FakeReply], ended: Ended
) -> None:
    world = SpeechWorld(make(), make())
    heard = await world.speak(await world.caller(), **body)
    assert heard.refused is not None
    assert (heard.refused.code, heard.refused.http_status) == ("upstream_error", 502)
    row = await world.settled_row()
    assert (row.ended, row.usage_source, row.cost, row.attempts) == (ended, UsageSource.NONE, 0, 2)
    assert (await world.account()).available == 10**9


@pytest.mark.parametrize("body", [CHARACTERS, TOKENS, TOKENS_AS_EVENTS])
async def test_a_refusal_of_another_json_type_is_that_refusal(body: dict[str, Any]) -> None:
    world = SpeechWorld(typed_reply("application/problem+json", orjson.dumps(BAD)))
    heard = await world.speak(await world.caller(), **body)
    assert heard.refused is not None
    assert (heard.refused.code, heard.refused.http_status) == ("bad_voice", 400)
    assert (await world.settled_row()).cost == 0


async def test_audio_that_cannot_be_read_in_mid_stream_is_a_broken_answer() -> None:
    world = SpeechWorld(events(*map(delta, AUDIO[:2]), GARBLED))
    heard = await world.speak(await world.caller(), model=MINI)
    assert (heard.received, heard.clean) == (AUDIO[:2], False)
    row = await world.settled_row()
    assert (row.ended, row.cost, row.attempts) == (Ended.MID_STREAM_ERROR, 0, 1)


async def test_a_killed_process_leaves_the_call_to_the_sweeper_at_no_cost() -> None:
    world = SpeechWorld(audio())
    caller = await world.caller()
    answer = await world.speech.speak(caller, {"model": TTS, "input": "a", "voice": "alloy"}, world.context())
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
