"""Audio in over plain HTTP: forms in any order, files that are something else, answers that break off."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.support.customers import Customer
from tests.e2e.support.events import named_events_of
from tests.e2e.support.media import HEARD, RECORDING
from tests.e2e.support.prices import whisper

FREE = "0.000000000"
PATH = "/audio/transcriptions"
WHISPER = {"model": "whisper-1"}
GPT = {"model": "gpt-4o-transcribe"}
FAILING = {"demo": json.dumps({"fail_after_chunks": 2})}
BODY_BYTES_MAX = 6 * 1024 * 1024


def test_parts_may_come_in_any_order(demo: Customer) -> None:
    """The file first, the model last, and a list in between."""
    parts = [
        ('name="file"; filename="a.wav"', RECORDING),
        ('name="timestamp_granularities[]"', b"word"),
        ('name="response_format"', b"verbose_json"),
        ('name="timestamp_granularities[]"', b"segment"),
        ('name="model"', b"whisper-1"),
    ]
    disposition = b"--b\r\ncontent-disposition: form-data; "
    body = b"".join(disposition + name.encode() + b"\r\n\r\n" + data + b"\r\n" for name, data in parts) + b"--b--\r\n"
    headers = demo.headers | {"content-type": "multipart/form-data; boundary=b"}
    answer = demo.stack.http.post(f"{demo.stack.base_url}{PATH}", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert {"words", "segments"} <= set(answer.json())
    assert demo.stack.last_upstream_request()["body"]["timestamp_granularities"] == ["word", "segment"]


def test_a_file_is_what_it_is_and_not_what_it_is_called(demo: Customer) -> None:
    before = demo.available()
    answer = demo.post(PATH, data=WHISPER, files={"file": ("../../etc/song.mp3", RECORDING, "audio/mpeg")})
    assert answer.json()["text"] == HEARD
    (sent,) = demo.stack.last_upstream_request()["body"]["file"]
    assert (sent["filename"], sent["content_type"]) == ("audio.wav", "audio/wav")
    assert Decimal(demo.charged(answer, before)["cost"]) == whisper(1000)


@pytest.mark.parametrize(
    "data",
    [b"words " * 100, b"", b"%PDF-1.7" + bytes(100), b"ID3" + bytes(100), RECORDING[1:], RECORDING[:40]],
    ids=["text", "nothing", "PDF", "a tag without a song", "a WAV without its first byte", "half a header"],
)
def test_what_is_no_sound_is_refused_and_not_forwarded(demo: Customer, data: bytes) -> None:
    asked = demo.stack.last_upstream_request()
    answer = demo.post(PATH, data=WHISPER, files={"file": ("a.wav", data, "audio/wav")})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")
    assert demo.get(f"/usage/{answer.headers['x-request-id']}").status_code == 404
    assert demo.stack.last_upstream_request() == asked


@pytest.mark.parametrize("path", [PATH, "/audio/translations"])
def test_a_body_that_is_too_large_is_told_the_way(demo: Customer, path: str) -> None:
    answer = demo.post(path, data=WHISPER, files={"file": ("a.wav", bytes(BODY_BYTES_MAX), "audio/wav")})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
    assert "POST /v1/uploads" in answer.json()["error"]["message"]


def test_a_stream_whose_provider_fails_ends_in_an_error_and_is_free(demo: Customer) -> None:
    before = demo.available()
    answer = demo.post(PATH, data=GPT | FAILING | {"stream": "true"}, files={"file": ("a.wav", RECORDING)})
    *deltas, error = named_events_of(answer.text)
    assert [event["type"] for event in deltas] == ["transcript.text.delta"] * 2
    assert (error["type"], error["error"]["code"]) == ("error", "upstream_error")
    row = demo.charged(answer, before)
    assert (row["ended"], row["cost"]) == ("mid_stream_error", FREE)


def test_a_provider_that_fails_is_an_error_and_free(demo: Customer) -> None:
    before = demo.available()
    answer = demo.post(PATH, data=WHISPER | FAILING, files={"file": ("a.wav", RECORDING)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
    row = demo.charged(answer, before)
    assert (row["ended"], row["cost"]) == ("upstream_error", FREE)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "model"),
        (WHISPER | {"response_format": "midi"}, "response_format"),
        (WHISPER | {"temperature": "2"}, "temperature"),
        ({"model": "demo-chat"}, "model"),
    ],
)
def test_a_wrong_wish_is_refused_before_any_hold(demo: Customer, fields: dict[str, Any], param: str) -> None:
    answer = demo.post(PATH, data=fields, files={"file": ("a.wav", RECORDING)})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert demo.get(f"/usage/{answer.headers['x-request-id']}").status_code == 404


def test_only_a_model_that_translates_translates(demo: Customer) -> None:
    answer = demo.post("/audio/translations", data=GPT, files={"file": ("a.wav", RECORDING)})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
    assert "whisper-1" in answer.json()["error"]["message"]


def test_json_is_told_that_a_form_is_needed(demo: Customer) -> None:
    answer = demo.post(PATH, json=WHISPER)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


def test_the_books_are_right_after_all_audio(demo: Customer) -> None:
    demo.stack.assert_books_are_right()
