"""Speech over plain HTTP: what a character is, voices and formats, and audio that breaks off."""

import subprocess
from base64 import b64decode
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.demo_upstream.audio import audio_seconds
from local.demo_upstream.audio import speech as spoken
from tests.e2e.support.customers import Customer
from tests.e2e.support.events import named_events_of
from tests.e2e.support.prices import mini_tts, tts_1
from tests.e2e.support.waiting import until
from tests.support.needs import require

FREE = Decimal(0)
TEXT = "one two three"
TTS: dict[str, Any] = {"model": "tts-1", "voice": "alloy", "input": TEXT}
MINI: dict[str, Any] = TTS | {"model": "gpt-4o-mini-tts", "stream_format": "sse"}
CUT = {"demo": {"fail_after_chunks": 3}}
# What curl says of a body that ended too early.
PARTIAL_FILE = 18
VOICES = ("alloy", "echo", "fable", "onyx", "nova", "shimmer", "ash", "coral", "sage")
FORMATS = {
    "mp3": ("audio/mpeg", b"ID3"),
    "opus": ("audio/opus", b"OggS"),
    "aac": ("audio/aac", b"\xff\xf1"),
    "flac": ("audio/flac", b"fLaC"),
    "wav": ("audio/wav", b"RIFF"),
}
# Counted by hand, in Unicode code points of what was sent.
CHARACTERS = {
    "Chinese": ("\u4f60\u597d\uff0c\u4e16\u754c", 5),
    "a family, joined": ("\U0001f469\u200d\U0001f469\u200d\U0001f467", 5),
    "a flag": ("\U0001f1e9\U0001f1ea", 2),
    "a combining accent": ("e\u0301", 2),
    "the same accent composed": ("\u00e9", 1),
    "line breaks": ("a\r\nb", 4),
    "one letter": ("a", 1),
    "the longest": ("z" * 4096, 4096),
}


@pytest.mark.parametrize(("text", "characters"), CHARACTERS.values(), ids=CHARACTERS)
def test_a_character_is_a_code_point_of_what_was_sent(demo: Customer, text: str, characters: int) -> None:
    before = demo.available()
    answer = demo.post("/audio/speech", json=TTS | {"input": text})
    assert answer.status_code == 200, answer.text
    row = demo.charged(answer, before)
    assert (row["usage"]["characters"], Decimal(row["cost"])) == (characters, tts_1(characters))


@pytest.mark.parametrize("voice", VOICES)
def test_each_voice_speaks(demo: Customer, voice: str) -> None:
    answer = demo.post("/audio/speech", json=TTS | {"voice": voice})
    assert answer.content == spoken(TEXT, voice, 1.0, "mp3")


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_plays_and_says_what_it_is(demo: Customer, kind: str) -> None:
    answer = demo.post("/audio/speech", json=TTS | {"response_format": kind})
    media_type, start = FORMATS[kind]
    assert (answer.headers["content-type"], answer.content[: len(start)]) == (media_type, start)
    assert 0.7 < audio_seconds(answer.content) < 0.9


@pytest.mark.parametrize("wanted", [TTS, TTS | {"messages": []}, TTS | {"stream": True}])
def test_the_chat_endpoint_speaks_for_a_speech_model(demo: Customer, wanted: dict[str, Any]) -> None:
    before = demo.available()
    answer = demo.post("/chat/completions", json=wanted)
    assert (answer.headers["content-type"], answer.content) == ("audio/mpeg", spoken(TEXT, "alloy", 1.0, "mp3"))
    assert Decimal(demo.charged(answer, before)["cost"]) == tts_1(len(TEXT))


def test_curl_saves_what_the_chat_endpoint_says(demo: Customer, tmp_path: Path) -> None:
    file = tmp_path / "speech.mp3"
    assert curl(demo, "/chat/completions", TTS, file) == 0
    assert file.read_bytes() == spoken(TEXT, "alloy", 1.0, "mp3")


def test_curl_is_told_that_half_a_file_is_half(demo: Customer, tmp_path: Path) -> None:
    file = tmp_path / "speech.mp3"
    assert curl(demo, "/audio/speech", TTS | CUT, file) == PARTIAL_FILE
    assert 0 < file.stat().st_size < len(spoken(TEXT, "alloy", 1.0, "mp3"))


@pytest.mark.parametrize("path", ["/audio/speech", "/chat/completions"])
@pytest.mark.parametrize("model", ["tts-1", "gpt-4o-mini-tts"])
def test_bare_audio_whose_provider_dies_has_no_clean_end_and_is_free(demo: Customer, path: str, model: str) -> None:
    before = demo.available()
    url = f"{demo.stack.base_url}{path}"
    with demo.stack.http.stream("POST", url, json=TTS | CUT | {"model": model}, headers=demo.headers) as answer:
        pieces = answer.iter_raw()
        received = next(pieces)
        with pytest.raises(httpx.RemoteProtocolError):
            received += b"".join(pieces)
        assert "content-length" not in answer.headers
    assert spoken(TEXT, "alloy", 1.0, "mp3").startswith(received)
    row = demo.charged(answer, before)
    assert (row["ended"], row["usage_source"], Decimal(row["cost"])) == ("mid_stream_error", "none", FREE)


def test_speech_events_whose_provider_dies_end_in_an_error_and_are_free(demo: Customer) -> None:
    before = demo.available()
    answer = demo.post("/audio/speech", json=MINI | CUT)
    *deltas, error = named_events_of(answer.text)
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert (error["type"], error["error"]["code"]) == ("error", "upstream_error")
    row = demo.charged(answer, before)
    assert (row["ended"], Decimal(row["cost"])) == ("mid_stream_error", FREE)


def test_a_client_that_leaves_pays_for_what_was_said(demo: Customer) -> None:
    before = demo.available()
    url, slow = f"{demo.stack.base_url}/audio/speech", MINI | {"demo": {"delay_ms": 40}}
    with demo.stack.http.stream("POST", url, json=slow, headers=demo.headers) as answer:
        assert named_events_of(next(answer.iter_text()))
    request_id = answer.headers["x-request-id"]
    until(lambda: demo.get(f"/usage/{request_id}").status_code == 200, 20, "the abandoned speech was settled")
    row = demo.charged(answer, before)
    assert (row["ended"], Decimal(row["cost"])) == ("complete", mini_tts(3, 16))


def test_usage_that_the_provider_makes_up_is_not_believed(demo: Customer) -> None:
    before = demo.available()
    answer = demo.post("/audio/speech", json=MINI | {"demo": {"usage": {"input_tokens": -3, "output_tokens": 10**15}}})
    done = named_events_of(answer.text)[-1]
    row = demo.charged(answer, before)
    assert (row["usage_source"], done["usage"]["estimated"]) == ("estimated", True)
    assert done["usage"]["cost"] == float(row["cost"])
    assert FREE < Decimal(row["cost"]) < mini_tts(100, 100)


@pytest.mark.parametrize(
    ("path", "wanted", "hint"),
    [
        ("/audio/speech", TTS | {"model": "demo-chat"}, "/v1/chat/completions"),
        ("/chat/completions", {"model": "tts-1", "messages": [{"role": "user", "content": "hi"}]}, "/v1/audio/speech"),
        ("/chat/completions", {"model": "demo-chat", "input": "hi"}, "messages"),
    ],
)
def test_the_wrong_kind_of_model_is_told_what_to_do(
    demo: Customer, path: str, wanted: dict[str, Any], hint: str
) -> None:
    answer = demo.post(path, json=wanted)
    assert answer.status_code == 400
    assert hint in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"voice": "nobody"}, "voice"),
        ({"voice": {"id": "voice_1"}}, "voice"),
        ({"input": ""}, "input"),
        ({"input": "z" * 4097}, "input"),
        ({"speed": 5}, "speed"),
        ({"response_format": "midi"}, "response_format"),
        ({"instructions": "slowly"}, "instructions"),
    ],
)
def test_a_wrong_wish_is_refused_before_any_hold(demo: Customer, changes: dict[str, Any], param: str) -> None:
    answer = demo.post("/audio/speech", json=TTS | changes)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert demo.get(f"/usage/{answer.headers['x-request-id']}").status_code == 404


def test_the_audio_of_events_is_that_of_bytes(demo: Customer) -> None:
    answer = demo.post("/audio/speech", json=MINI | {"response_format": "flac"})
    deltas = named_events_of(answer.text)[:-1]
    assert b"".join(b64decode(event["audio"]) for event in deltas) == spoken(TEXT, "alloy", 1.0, "flac")


def test_the_books_are_right_after_all_speech(demo: Customer) -> None:
    demo.stack.assert_books_are_right()


def curl(customer: Customer, path: str, wanted: dict[str, Any], file: Path) -> int:
    """Its exit code; `file` gets what came."""
    require("curl")
    answer = httpx.Request("POST", f"{customer.stack.base_url}{path}", json=wanted)
    headers = [*customer.headers.items(), ("content-type", "application/json")]
    options = [word for name, value in headers for word in ("-H", f"{name}: {value}")]
    command = ["curl", "-sS", "--noproxy", "*", "-o", str(file), "-d", "@-", *options, str(answer.url)]
    return subprocess.run(command, input=answer.content, capture_output=True, timeout=60, check=False).returncode
