"""Answers of the demo upstream that end well and say something wrong: nonsense as usage, data that is missing."""

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from local.demo_upstream.testing import demo_upstream, sample

REPORTED: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "audio/speech": [("gpt-4o-mini-tts", {"stream_format": "sse"})],
    "audio/transcriptions": [("gpt-4o-transcribe", {}), ("gpt-4o-transcribe", {"stream": "true"})],
    "images/generations": [("gpt-image-1", {}), ("gpt-image-1", {"stream": True})],
    "images/edits": [("gpt-image-1", {}), ("gpt-image-1", {"stream": "true"})],
    "completions": [
        ("gpt-3.5-turbo-instruct", {}),
        ("gpt-3.5-turbo-instruct", {"stream": True, "stream_options": {"include_usage": True}}),
    ],
}
NONSENSE = {
    "usage-zero": (0, 0, 0),
    "usage-huge": (10**15, 10**15, 2 * 10**15),
    "usage-negative": (-10, -20, -30),
    "usage-float": (10.5, 20.25, 30.75),
    "usage-string": ("10", "20", "30"),
}
REPORTS = [(place, model, fields) for place, ways in REPORTED.items() for model, fields in ways]


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture
def client(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=20) as client:
        yield client


def post(client: httpx.Client, place: str, model: str, **fields: Any) -> httpx.Response:
    return client.post(place, **sample(place, model, **fields))


def usage_of(answer: httpx.Response) -> dict[str, Any] | None:
    """The last usage of an answer, streamed or not."""
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n") if line.startswith(("data: {", "{"))]
    found = [usage for line in lines if (usage := json.loads(line).get("usage")) is not None]
    return found[-1] if found else None


@pytest.mark.parametrize(("place", "model", "fields"), REPORTS)
def test_usage_is_missing_or_nonsense(client: httpx.Client, place: str, model: str, fields: dict[str, Any]) -> None:
    assert usage_of(post(client, place, model, **fields)) is not None
    assert usage_of(post(client, place, f"{model}+no-usage", **fields)) is None
    given, made = ("prompt", "completion") if place == "completions" else ("input", "output")
    for behaviour, values in NONSENSE.items():
        usage = usage_of(post(client, place, f"{model}+{behaviour}", **fields))
        assert usage is not None
        assert tuple(usage[f"{name}_tokens"] for name in (given, made, "total")) == values


def test_embeddings_and_seconds_can_be_nonsense_too(client: httpx.Client) -> None:
    for behaviour, (given, _made, total) in NONSENSE.items():
        embedded = post(client, "embeddings", f"text-embedding-3-small+{behaviour}").json()
        assert embedded["usage"] == {"prompt_tokens": given, "total_tokens": total}
        heard = post(client, "audio/transcriptions", f"whisper-1+{behaviour}").json()
        assert heard["usage"] == {"type": "duration", "seconds": given}
    assert "usage" not in post(client, "embeddings", "demo-no-usage").json()
    assert "usage" not in post(client, "audio/transcriptions", "whisper-1+no-usage").json()


@pytest.mark.parametrize(("place", "model", "fields"), REPORTS)
def test_a_request_can_say_the_usage(client: httpx.Client, place: str, model: str, fields: dict[str, Any]) -> None:
    demo: Any = {"usage": {"own": 1}}
    demo = json.dumps(demo) if place in ("audio/transcriptions", "images/edits") else demo
    assert usage_of(post(client, place, model, **fields, demo=demo)) == {"own": 1}


@pytest.mark.parametrize("place", ["images/generations", "images/edits"])
def test_pictures_are_missing(client: httpx.Client, place: str) -> None:
    assert post(client, place, "gpt-image-1+no-data").json()["data"] == []
    assert post(client, place, "gpt-image-1+blank-item").json()["data"] == [{}]
    assert post(client, place, "demo-blank-item").json()["data"] == [{}]
    assert [len(post(client, place, "gpt-image-1+fewer", n=n).json()["data"]) for n in (1, 3)] == [0, 2]
    with pytest.raises(ValueError, match=r"(?i)only base64"):
        b64decode(post(client, place, "gpt-image-1+bad-base64").json()["data"][0]["b64_json"], validate=True)


def test_dall_es_pictures_are_missing_too(client: httpx.Client) -> None:
    data = [post(client, "images/generations", f"dall-e-2+{one}").json()["data"] for one in ("no-data", "blank-item")]
    assert data == [[], [{}]]
    [gone] = post(client, "images/generations", "dall-e-2+url-gone").json()["data"]
    assert httpx.get(gone["url"]).status_code == 404


def test_streamed_pictures_are_missing(client: httpx.Client) -> None:
    fields = {"stream": True, "partial_images": 1}
    assert post(client, "images/generations", "gpt-image-1+no-data", **fields).content == b""
    assert post(client, "images/generations", "gpt-image-1+fewer", **fields).content == b""
    blank = post(client, "images/generations", "gpt-image-1+blank-item", **fields).text.split("\n\n")[-2]
    assert blank.startswith("event: image_generation.completed\n")
    assert "b64_json" not in blank


def test_a_big_picture_cannot_be_compressed(client: httpx.Client) -> None:
    [item] = post(client, "images/generations", "gpt-image-1+big-event", size="1024x1024").json()["data"]
    assert len(b64decode(item["b64_json"])) > 3 * 1024 * 1024


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_ignore_the_asked_encoding(client: httpx.Client, encoding: str) -> None:
    kinds = [
        type(post(client, "embeddings", model, encoding_format=encoding).json()["data"][0]["embedding"])
        for model in ("text-embedding-3-small+always-floats", "text-embedding-3-small+always-base64")
    ]
    assert kinds == [list, str]


def test_embeddings_and_completions_can_be_fewer(client: httpx.Client) -> None:
    assert len(post(client, "embeddings", "demo-fewer", input=["a", "b"]).json()["data"]) == 1
    assert post(client, "embeddings", "demo-no-data").json()["data"] == []
    assert post(client, "embeddings", "demo-bad-base64").json()["data"][0]["embedding"] == "this is not base64!"
    assert len(post(client, "completions", "demo-fewer", n=2).json()["choices"]) == 1
