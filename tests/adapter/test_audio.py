"""Audio through the real adapter: raw bytes as they are made, an honest end where they break off, forms of files."""

import json
from typing import Any

import httpx
import pytest

from tests.support.adapter_world import Customer
from tests.support.audio_files import wav
from tests.support.gateway_event import form_event, gateway_event
from tests.support.invocation import DELIMITER, Invocation
from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.adapter, pytest.mark.asyncio(loop_scope="session")]

SPEECH, TRANSCRIPTIONS = "/v1/audio/speech", "/v1/audio/transcriptions"
TEXT = "Guten Morgen, schöne Welt. " * 8
TTS_1_NANO = 15_000
DELAY_MS = 100
# What the adapter writes behind a body that has no clean end, for want of trailers.
BROKEN_OFF = b"Lambda-Runtime-Function-Error-Type: "
# What the deployed function keeps for its own error and for settling, and what is left of the invocation here.
MARGIN_S, LEFT_S = 15.0, 1.5


def spoken(model: str = "tts-1", **members: object) -> dict[str, Any]:
    return {"model": model, "input": TEXT, "voice": "alloy", **members}


async def direct(demo_url: str) -> bytes:
    """What the provider itself says to it."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.post(f"{demo_url}/audio/speech", json=spoken())).raise_for_status().content


def has_begun(invocation: Invocation) -> bool:
    return bool(invocation.raw.partition(DELIMITER)[2])


@pytest.mark.parametrize("path", [SPEECH, "/v1/chat/completions"])
async def test_speech_arrives_byte_for_byte_while_it_is_made(
    audio: Sandbox, sandbox: Sandbox, customer: Customer, demo_url: str, path: str
) -> None:
    body = spoken(demo={"delay_ms": DELAY_MS})
    function = audio if path == SPEECH else sandbox
    invocation = function.begin(gateway_event(body, path=path, api_key=customer.api_key))
    await invocation.until(has_begun)
    assert invocation.ended_s is None
    answer = await function.finish(invocation)

    assert (answer.status, answer.headers["content-type"]) == (200, "audio/mpeg")
    assert "content-length" not in answer.headers
    assert answer.body == await direct(demo_url)
    times_s = [chunk.at_s for chunk in invocation.body_chunks()]
    # Eight pieces or more; a buffer anywhere on the way would bring all of them at once.
    assert times_s[-1] - times_s[0] > 7 * DELAY_MS / 1000 / 2
    row = await customer.settled_row()
    assert (row.ended, row.cost) == ("complete", len(TEXT) * TTS_1_NANO)


@pytest.mark.parametrize("model", ["tts-1+cut", "gpt-4o-mini-tts+cut"])
async def test_speech_that_breaks_off_does_not_look_whole(
    audio: Sandbox, customer: Customer, demo_url: str, model: str
) -> None:
    with audio.freezing():
        answer = await audio.invoke(gateway_event(spoken(model), path=SPEECH, api_key=customer.api_key))
        assert audio.is_frozen()
        row = await customer.settled_row()
    whole = await direct(demo_url)

    assert (answer.status, answer.headers["content-type"]) == (200, "audio/mpeg")
    said, told, _ = answer.body.partition(BROKEN_OFF)
    assert told
    assert 0 < len(said) < len(whole)
    assert whole.startswith(said)
    assert row.ended == "mid_stream_error"


async def test_events_of_speech_that_breaks_off_say_so(audio: Sandbox, customer: Customer) -> None:
    body = spoken("gpt-4o-mini-tts+cut", stream_format="sse")
    answer = await audio.invoke(gateway_event(body, path=SPEECH, api_key=customer.api_key))
    *deltas, last = (name for name, _ in answer.named_events())
    assert set(deltas) == {"speech.audio.delta"}
    assert last == "error"
    assert BROKEN_OFF not in answer.body
    assert (await customer.settled_row()).ended == "mid_stream_error"


async def test_speech_that_never_begins_is_a_plain_error(audio: Sandbox, customer: Customer) -> None:
    event = gateway_event(spoken(demo={"first_delay_ms": 60_000}), path=SPEECH, api_key=customer.api_key)
    answer = await audio.finish(audio.begin(event, MARGIN_S + LEFT_S))
    assert (answer.status, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    row = await customer.settled_row()
    assert (row.ended, row.cost) == ("deadline", 0)


async def test_a_form_with_a_file_arrives_whole(audio: Sandbox, customer: Customer) -> None:
    # 2.5 MB, with every byte value in it.
    recording = wav(80.0)
    event = form_event(
        {"model": "whisper-1"}, {"file": ("a.wav", recording)}, path=TRANSCRIPTIONS, api_key=customer.api_key
    )
    answer = await audio.invoke(event)
    assert answer.status == 200, answer.body
    assert answer.json()["text"] == "Received audio.wav: 80.000 seconds of audio."
    assert answer.json()["usage"] == {"type": "duration", "seconds": 80, "cost": 0.008}
    assert (await customer.settled_row()).cost == 8_000_000


async def test_a_transcript_is_streamed_as_events(audio: Sandbox, customer: Customer) -> None:
    fields = {"model": "gpt-4o-transcribe", "stream": "true", "demo": json.dumps({"delay_ms": DELAY_MS})}
    invocation = audio.begin(
        form_event(fields, {"file": ("a.wav", wav())}, path=TRANSCRIPTIONS, api_key=customer.api_key)
    )
    await invocation.until(lambda one: b"transcript.text.delta" in one.raw)
    assert invocation.ended_s is None
    answer = await audio.finish(invocation)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.named_events()[-1][0] == "transcript.text.done"
    assert (await customer.settled_row()).ended == "complete"


async def test_subtitles_are_plain_text(audio: Sandbox, customer: Customer) -> None:
    fields = {"model": "whisper-1", "response_format": "srt"}
    answer = await audio.invoke(
        form_event(fields, {"file": ("a.wav", wav())}, path=TRANSCRIPTIONS, api_key=customer.api_key)
    )
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.body.startswith(b"1\n00:00:00,000 --> ")
