"""The demo upstream hears: it states what it received, in every format, with the real length."""

import io
import json
import wave
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from local.demo_upstream.testing import demo_upstream

SECONDS = 2.5
FIELD = b"content-disposition: form-data; name="
HEARD = "Received speech.wav: 2.500 seconds of audio."


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture
def sdk(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=base_url, api_key="sk-demo", max_retries=0) as client:
        yield client


def wav(seconds: float = SECONDS, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(bytes(2 * round(seconds * rate)))
    return file.getvalue()


def hear(
    base_url: str, model: str = "whisper-1", audio: bytes | None = None, task: str = "transcriptions", **fields: Any
) -> httpx.Response:
    files = {"file": ("speech.wav", wav() if audio is None else audio, "audio/wav")}
    return httpx.post(f"{base_url}/audio/{task}", data={"model": model, **fields}, files=files)


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    found = []
    for event in answer.text.split("\n\n")[:-1]:
        name, data = event.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def test_whisper_is_paid_by_the_second(base_url: str) -> None:
    assert hear(base_url).json() == {"text": HEARD, "usage": {"type": "duration", "seconds": 3}}
    assert hear(base_url, audio=wav(2)).json()["usage"]["seconds"] == 2
    assert hear(base_url, audio=wav(2.5)).json()["usage"]["seconds"] == 3


@pytest.mark.parametrize("model", ["gpt-4o-transcribe", "gpt-4o-mini-transcribe"])
def test_newer_models_are_paid_by_the_token(base_url: str, model: str) -> None:
    assert hear(base_url, model, prompt="two words").json() == {
        "text": HEARD,
        "usage": {
            "type": "tokens",
            "input_tokens": 27,
            "input_token_details": {"text_tokens": 2, "audio_tokens": 25},
            "output_tokens": 6,
            "total_tokens": 33,
        },
    }


@pytest.mark.parametrize("kind", ["mp3", "opus", "aac", "flac", "wav"])
def test_the_length_is_the_real_one_in_every_format(base_url: str, kind: str) -> None:
    said = {"model": "tts-1", "input": "x" * 50, "voice": "alloy", "response_format": kind}
    audio = httpx.post(f"{base_url}/audio/speech", json=said).content
    duration = hear(base_url, audio=audio, response_format="verbose_json").json()["duration"]
    assert duration == pytest.approx(3, abs=0.15)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text", f"{HEARD}\n"),
        ("srt", f"1\n00:00:00,000 --> 00:00:02,500\n{HEARD}\n\n"),
        ("vtt", f"WEBVTT\n\n00:00:00.000 --> 00:00:02.500\n{HEARD}\n\n"),
    ],
)
def test_plain_formats_have_no_usage(base_url: str, kind: str, text: str) -> None:
    answer = hear(base_url, response_format=kind)
    assert (answer.text, answer.headers["content-type"]) == (text, "text/plain; charset=utf-8")


def test_subtitles_count_hours_and_cut_long_texts(base_url: str) -> None:
    prompt = "say: " + " ".join(f"w{number}" for number in range(16))
    text = hear(base_url, audio=wav(3_700, rate=100), response_format="srt", prompt=prompt).text
    assert text.split("\n\n")[1] == "2\n00:30:50,000 --> 01:01:40,000\nw8 w9 w10 w11 w12 w13 w14 w15"


@pytest.mark.parametrize(
    ("granularities", "words", "segments"), [([], 0, 1), (["word"], 6, 0), (["word", "segment"], 6, 1)]
)
def test_verbose_json_has_what_was_asked(base_url: str, granularities: list[str], words: int, segments: int) -> None:
    fields: dict[str, Any] = {"response_format": "verbose_json", "timestamp_granularities[]": granularities}
    body = hear(base_url, **fields).json()
    assert (body["task"], body["language"], body["duration"], body["text"]) == ("transcribe", "english", 2.5, HEARD)
    assert (len(body.get("words", [])), len(body.get("segments", []))) == (words, segments)
    assert body["usage"] == {"type": "duration", "seconds": 3}
    if words:
        assert body["words"][0] == {"word": "Received", "start": 0.0, "end": 0.417}


def test_a_prompt_can_say_what_is_heard(base_url: str) -> None:
    assert hear(base_url, prompt="say: Äpfel, bitte!").json()["text"] == "Äpfel, bitte!"


@pytest.mark.parametrize("file_first", [True, False])
def test_parts_come_in_any_order(base_url: str, file_first: bool) -> None:
    file: Any = ("file", ("speech.wav", wav(), "audio/wav"))
    text: Any = ("model", (None, "gpt-4o-transcribe"))
    parts = [file, text] if file_first else [text, file]
    answer = httpx.post(f"{base_url}/audio/transcriptions", files=parts)
    assert answer.json()["usage"]["type"] == "tokens"


def test_a_stream_says_it_piece_by_piece_and_ends_with_usage(base_url: str) -> None:
    *deltas, done = events(hear(base_url, "gpt-4o-transcribe", stream="true"))
    assert {one["type"] for one in deltas} == {"transcript.text.delta"}
    assert len(deltas) == 6
    assert "".join(one["delta"] for one in deltas) == HEARD == done["text"]
    assert (done["type"], done["usage"]["total_tokens"]) == ("transcript.text.done", 31)


def test_whisper_ignores_stream(base_url: str) -> None:
    assert hear(base_url, stream="true").json()["text"] == HEARD


def test_diarization_tells_speakers_whole_and_streamed(base_url: str) -> None:
    model = "gpt-4o-transcribe-diarize"
    [segment] = hear(base_url, model, response_format="diarized_json").json()["segments"]
    assert (segment["speaker"], segment["start"], segment["end"], segment["text"]) == ("A", 0.0, 2.5, HEARD)
    streamed = events(hear(base_url, model, response_format="diarized_json", stream="true"))
    assert [one["type"] for one in streamed[-2:]] == ["transcript.text.segment", "transcript.text.done"]
    assert streamed[-2] == segment


def test_translations_are_whispers(base_url: str) -> None:
    body = hear(base_url, task="translations", response_format="verbose_json", stream="true").json()
    assert (body["task"], body["usage"]) == ("translate", {"type": "duration", "seconds": 3})


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("whisper-1", "diarized_json"),
        ("whisper-1", "mp3"),
        ("gpt-4o-transcribe", "srt"),
        ("gpt-4o-transcribe", "verbose_json"),
        ("gpt-4o-transcribe-diarize", "vtt"),
    ],
)
def test_formats_that_the_model_lacks_are_refused(base_url: str, model: str, kind: str) -> None:
    answer = hear(base_url, model, response_format=kind)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", "response_format")


@pytest.mark.parametrize("audio", [b"", b"not audio", b"\x89PNG\r\n\x1a\n" + bytes(99), wav(0)])
@pytest.mark.parametrize("task", ["transcriptions", "translations"])
def test_what_cannot_be_decoded_is_refused(base_url: str, audio: bytes, task: str) -> None:
    answer = hear(base_url, audio=audio, task=task)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", "file")


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("multipart/form-data", b"x", "no boundary"),
        ("multipart/form-data; boundary=b", b"", "no proper end"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nx", "no proper end"),
        ("multipart/form-data; boundary=b", b"--b\r\nx: y\r\n\r\nx\r\n--b--", "has no name"),
        ("multipart/form-data; boundary=b", b'--b\r\n%s"a"\r\n\r\n\xff\r\n--b--' % FIELD, "'a' is not text"),
        ("multipart/form-data; boundary=b", b'--b\r\n%s"model"\r\n\r\nm\r\n--b--' % FIELD, "parameter: 'file'"),
        ("application/json", b'{"model": "whisper-1"}', "parameter: 'file'"),
        ("application/json", b"{}", "parameter: 'model'"),
    ],
)
def test_broken_forms_are_refused(base_url: str, content_type: str, body: bytes, message: str) -> None:
    headers = {"content-type": content_type}
    answer = httpx.post(f"{base_url}/audio/transcriptions", content=body, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert message in error["message"]


def test_the_sdk_transcribes_translates_and_streams(sdk: openai.OpenAI) -> None:
    file = ("speech.wav", wav())
    assert sdk.audio.transcriptions.create(model="whisper-1", file=file).text == HEARD
    verbose = sdk.audio.transcriptions.create(
        model="whisper-1", file=file, response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert verbose.words is not None
    assert len(verbose.words) == 6
    assert sdk.audio.transcriptions.create(model="whisper-1", file=file, response_format="text") == f"{HEARD}\n"
    with pytest.deprecated_call():
        assert sdk.audio.translations.create(model="whisper-1", file=file).text == HEARD
    stream = sdk.audio.transcriptions.create(model="gpt-4o-transcribe", file=file, stream=True)
    assert [event.type for event in stream] == ["transcript.text.delta"] * 6 + ["transcript.text.done"]
