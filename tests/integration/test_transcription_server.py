"""The official SDK transcribes and translates over real sockets, in every format.

What transcriptions share with the other endpoints is in test_endpoints_server.py.
"""

import io
from typing import Any

import openai
import pytest

from multiconnection.usage import Ended, UsageSource
from tests.support.audio_files import encoded, wav
from tests.support.served_gateway import ServedGateway
from tests.support.transcription_world import DIARIZE, GPT, WHISPER

PATH = "/v1/audio/transcriptions"

# The SDK calls translations deprecated; they work.
deprecated = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
HEARD = "Received audio.wav: 2.500 seconds of audio."


async def streamed(gateway: ServedGateway, model: str, **more: Any) -> list[Any]:
    create = gateway.sdk.audio.transcriptions.create
    stream = await create(model=model, file=("a.wav", wav()), stream=True, **more)
    return [event async for event in stream]


async def test_the_sdk_transcribes_by_the_second(gateway: ServedGateway) -> None:
    answer = await gateway.sdk.audio.transcriptions.create(model=WHISPER, file=("x.mp3", wav()))
    assert (answer.text, answer.usage and answer.usage.type) == (HEARD, "duration")
    row = await gateway.row()
    assert (row.usage.milliseconds, row.cost, row.overrun) == (3000, 300_000, 0)


async def test_the_sdk_transcribes_by_tokens(gateway: ServedGateway) -> None:
    answer = await gateway.sdk.audio.transcriptions.create(model=GPT, file=wav(), prompt="two words")
    assert (answer.text, answer.usage and answer.usage.type) == (HEARD, "tokens")
    row = await gateway.row()
    assert row.cost == 2 * 2500 + 25 * 6000 + 6 * 10_000
    assert row.usage_source is UsageSource.UPSTREAM


async def test_the_sdk_gets_words_and_segments(gateway: ServedGateway) -> None:
    answer = await gateway.sdk.audio.transcriptions.create(
        model=WHISPER,
        file=io.BytesIO(encoded("mp3", "libmp3lame")),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        temperature=0.2,
    )
    assert answer.words
    assert answer.segments
    assert abs(answer.duration - 2.5) < 0.1
    assert answer.usage is not None
    assert (await gateway.row()).usage.milliseconds == answer.usage.seconds * 1000


@deprecated
@pytest.mark.parametrize(("kind", "start"), [("text", "Received"), ("srt", "1\n00:"), ("vtt", "WEBVTT")])
@pytest.mark.parametrize("task", ["transcriptions", "translations"])
async def test_the_sdk_gets_text_formats(gateway: ServedGateway, task: str, kind: Any, start: str) -> None:
    answer = await getattr(gateway.sdk.audio, task).create(model=WHISPER, file=wav(), response_format=kind)
    assert answer.startswith(start)
    row = await gateway.row()
    source = UsageSource.UPSTREAM if kind == "text" else UsageSource.REQUEST
    assert (row.cost, row.usage_source, row.endpoint) == (300_000, source, f"audio.{task}")


@deprecated
async def test_the_sdk_translates(gateway: ServedGateway) -> None:
    answer = await gateway.sdk.audio.translations.create(model=WHISPER, file=wav(), prompt="say: hello")
    assert answer.text == "hello"
    assert (await gateway.row()).cost == 300_000


@pytest.mark.parametrize("model", [WHISPER, GPT, f"{GPT}+json-for-stream", f"{GPT}+crlf"])
async def test_the_sdk_streams_whatever_the_model_does(gateway: ServedGateway, model: str) -> None:
    events = await streamed(gateway, model)
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == HEARD
    assert (events[-1].type, events[-1].text) == ("transcript.text.done", HEARD)
    row = await gateway.row()
    assert (row.ended, row.streamed, row.usage_source) == (Ended.COMPLETE, True, UsageSource.UPSTREAM)
    assert events[-1].usage.cost == row.cost / 10**9


async def test_the_sdk_gets_speakers(gateway: ServedGateway) -> None:
    create = gateway.sdk.audio.transcriptions.create
    chunking: Any = {"type": "server_vad", "threshold": 0.5}
    answer = await create(model=DIARIZE, file=wav(), response_format="diarized_json", chunking_strategy=chunking)
    assert answer.segments[0].speaker == "A"
    events = await streamed(gateway, DIARIZE, response_format="diarized_json", chunking_strategy="auto")
    assert "transcript.text.segment" in {event.type for event in events}


@pytest.mark.parametrize("behaviour", ["cut", "eof", "fail-midstream"])
async def test_a_stream_that_breaks_raises_in_the_sdk(gateway: ServedGateway, behaviour: str) -> None:
    with pytest.raises(openai.APIError):
        await streamed(gateway, f"{GPT}+{behaviour}")
    row = await gateway.row()
    assert (row.ended, row.cost) == (Ended.MID_STREAM_ERROR, 0)


@pytest.mark.parametrize("behaviour", ["no-usage", "usage-huge", "usage-negative", "usage-float", "usage-string"])
async def test_usage_that_is_none_is_measured(gateway: ServedGateway, behaviour: str) -> None:
    await gateway.sdk.audio.transcriptions.create(model=f"{GPT}+{behaviour}", file=wav())
    row = await gateway.row()
    assert (row.cost, row.usage_source) == (25 * 6000 + 11 * 10_000, UsageSource.ESTIMATED)  # 43 bytes of text


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("mp3", "libmp3lame", 16_000),
        ("flac", "flac", 16_000),
        ("ogg", "libopus", 48_000),
        ("ipod", "aac", 44_100),
        ("webm", "libopus", 48_000),
    ],
)
async def test_what_we_measure_agrees_with_what_is_decoded(
    gateway: ServedGateway, container: str, codec: str, rate: int
) -> None:
    data = encoded(container, codec, 2.5, rate)
    await gateway.sdk.audio.transcriptions.create(model=f"{GPT}+no-usage", file=("a.txt", data))
    # Ten tokens a second.
    assert 25 <= (await gateway.row()).usage.input_audio <= 26


async def test_curl_without_a_key_or_a_model(gateway: ServedGateway) -> None:
    answer = await gateway.http.post(PATH, files={"file": ("a.wav", wav())})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
