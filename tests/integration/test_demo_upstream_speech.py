"""The demo upstream speaks: audio that real decoders play, as bytes and as events."""

import io
import json
import wave
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import av
import httpx
import openai
import pytest

from local.demo_upstream.testing import demo_upstream

TEXT = "Good morning world, this is a melody."
SECONDS = len(TEXT) * 0.06
# Codecs work in frames of up to 64 ms and add some silence.
TOLERANCE_S = 0.15


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture
def sdk(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=base_url, api_key="sk-demo", max_retries=0) as client:
        yield client


def speak(base_url: str, **body: Any) -> httpx.Response:
    asked = {"model": "tts-1", "input": TEXT, "voice": "alloy", **body}
    return httpx.post(f"{base_url}/audio/speech", json=asked)


def decoded(audio: bytes) -> tuple[str, int, float, int]:
    """Codec, channels, seconds and the loudest sample."""
    with av.open(io.BytesIO(audio), "r") as source:
        stream = source.streams.audio[0]
        resampler = av.AudioResampler(format="s16", layout="mono", rate=24_000)
        samples = b"".join(
            bytes(part.planes[0])[: 2 * part.samples]
            for frame in [*source.decode(stream), None]
            for part in resampler.resample(frame)
        )
        loudest = max(abs(one) for one in memoryview(samples).cast("h"))
        return stream.codec_context.name, stream.codec_context.channels, len(samples) / 48_000, loudest


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    found = []
    for event in answer.text.split("\n\n")[:-1]:
        name, data = event.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


@pytest.mark.parametrize(
    ("asked", "content_type", "codec"),
    [
        (None, "audio/mpeg", "mp3float"),
        ("mp3", "audio/mpeg", "mp3float"),
        ("opus", "audio/opus", "opus"),
        ("aac", "audio/aac", "aac"),
        ("flac", "audio/flac", "flac"),
        ("wav", "audio/wav", "pcm_s16le"),
    ],
)
def test_each_format_is_real_audio_of_the_texts_length(
    base_url: str, asked: str | None, content_type: str, codec: str
) -> None:
    answer = speak(base_url, response_format=asked)
    name, channels, seconds, loudest = decoded(answer.content)
    assert answer.headers["content-type"] == content_type
    assert "content-length" not in answer.headers
    assert (name, channels) == (codec, 1)
    assert seconds == pytest.approx(SECONDS, abs=TOLERANCE_S)
    assert loudest > 5_000


def test_pcm_is_the_wav_without_its_head(base_url: str) -> None:
    pcm, wav = (speak(base_url, response_format=kind) for kind in ("pcm", "wav"))
    assert pcm.headers["content-type"] == "audio/pcm"
    with wave.open(io.BytesIO(wav.content)) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (24_000, 1, 2)
        assert reader.readframes(reader.getnframes()) == pcm.content
    assert len(pcm.content) == round(SECONDS * 24_000) * 2


def test_it_comes_in_chunks(base_url: str) -> None:
    body = {"model": "tts-1", "input": TEXT, "voice": "alloy", "demo": {"delay_ms": 1}}
    with httpx.stream("POST", f"{base_url}/audio/speech", json=body) as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        assert len(list(answer.iter_raw())) >= 5


@pytest.mark.parametrize(("speed", "seconds"), [(0.5, 2 * SECONDS), (4, SECONDS / 4)])
def test_speed_changes_the_length(base_url: str, speed: float, seconds: float) -> None:
    assert len(speak(base_url, response_format="pcm", speed=speed).content) / 48_000 == pytest.approx(
        seconds, abs=0.001
    )


def test_the_same_words_sound_the_same_and_another_voice_does_not(base_url: str) -> None:
    first, again, other = (speak(base_url, voice=voice).content for voice in ("alloy", "alloy", "echo"))
    assert first == again != other


def test_a_long_text_is_cut_at_twenty_seconds(base_url: str) -> None:
    assert len(speak(base_url, input="ab " * 1365 + "!", response_format="pcm").content) == 20 * 48_000
    assert len(speak(base_url, input="長" * 4096, response_format="pcm").content) == 20 * 48_000


@pytest.mark.parametrize("kind", ["mp3", "opus", "aac", "flac", "wav"])
def test_one_letter_is_audio_too(base_url: str, kind: str) -> None:
    assert decoded(speak(base_url, input="a", response_format=kind).content)[3] > 1_000


def test_events_carry_the_same_bytes_and_end_with_usage(base_url: str) -> None:
    body = {"model": "gpt-4o-mini-tts", "instructions": "very calm"}
    answer = speak(base_url, stream_format="sse", **body)
    *deltas, done = events(answer)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert {one["type"] for one in deltas} == {"speech.audio.delta"}
    assert len(deltas) >= 5
    assert b"".join(b64decode(one["audio"]) for one in deltas) == speak(base_url, **body).content
    usage = {"input_tokens": 7 + 2, "output_tokens": 45, "total_tokens": 54}
    assert done == {"type": "speech.audio.done", "usage": usage}


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"voice": "nobody"}, "voice"),
        ({"voice": None}, "voice"),
        ({"voice": "marin"}, "voice"),
        ({"input": ""}, "input"),
        ({"input": None}, "input"),
        ({"input": "x" * 4097}, "input"),
        ({"input": 5}, "input"),
        ({"response_format": "ogg"}, "response_format"),
        ({"speed": 4.5}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"stream_format": "sse"}, "stream_format"),
        ({"model": "tts-1-hd", "stream_format": "sse"}, "stream_format"),
        ({"model": "gpt-4o-mini-tts", "stream_format": "sse", "instructions": 7}, "instructions"),
        ({"model": None}, "model"),
    ],
)
def test_bad_input_is_refused_in_openais_shape(base_url: str, wrong: dict[str, Any], param: str) -> None:
    answer = speak(base_url, **wrong)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


def test_newer_models_have_more_voices_and_own_ones(base_url: str) -> None:
    for voice in ("marin", {"id": "voice_123"}):
        assert speak(base_url, model="gpt-4o-mini-tts", voice=voice).status_code == 200


def test_the_limit_counts_characters_not_bytes(base_url: str) -> None:
    assert speak(base_url, input="ß" * 4096).status_code == 200


def test_the_sdk_speaks_and_streams(sdk: openai.OpenAI) -> None:
    whole = sdk.audio.speech.create(model="tts-1", voice="nova", input=TEXT).read()
    assert decoded(whole)[0] == "mp3float"
    with sdk.audio.speech.with_streaming_response.create(model="tts-1", voice="nova", input=TEXT) as answer:
        assert b"".join(answer.iter_bytes()) == whole
