"""The demo upstream: the official SDK reads its answers, its tokens follow its rule, and its misbehaviour is real.

Misbehaviour whose absence the tests of the gateway would notice, such as a status or nonsensical usage, is not tested
here. These are the others: without their tests, a fault that no longer happens would look like one that is handled.
"""

import io
import json
import socket
import struct
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import av
import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from PIL import Image

from local.demo_upstream.audio import wav
from local.demo_upstream.images import picture
from local.demo_upstream.testing import ONE_SECOND, PLACES, demo_process, sample

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "good morning world"}]
ECHO = "Hello from the demo model! You said: good morning world"
HEARD = "Received a.wav: 1.000 seconds of audio."
TOOL: Any = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"properties": {"city": {"type": "string"}}}},
}
# The places that stream: how they are asked to, and how many events come before the stream breaks.
STREAMED: dict[str, tuple[str, dict[str, Any], int]] = {
    "audio/speech": ("gpt-4o-mini-tts", {"stream_format": "sse"}, 3),
    "audio/transcriptions": ("gpt-4o-transcribe", {"stream": "true"}, 3),
    "images/generations": ("gpt-image-1", {"stream": True, "partial_images": 2}, 2),
    "images/edits": ("gpt-image-1", {"stream": "true", "partial_images": "1"}, 1),
    "completions": ("gpt-3.5-turbo-instruct", {"stream": True}, 3),
    "chat/completions": ("demo-chat", {"stream": True}, 4),
}


@pytest.fixture
def client(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=20) as client:
        yield client


@pytest.fixture
def sdk(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=base_url, api_key="sk-demo", max_retries=0) as client:
        yield client


def asked(client: httpx.Client, place: str, model: str, **fields: Any) -> httpx.Request:
    if place == "chat/completions":
        return client.build_request("POST", place, json={"model": model, "messages": HELLO, **fields})
    return client.build_request("POST", place, **sample(place, model, **fields))


def post(client: httpx.Client, place: str, model: str, **fields: Any) -> httpx.Response:
    return client.send(asked(client, place, model, **fields))


def chat(client: httpx.Client, model: str, **fields: Any) -> httpx.Response:
    return post(client, "chat/completions", model, **fields)


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


def usages(answer: httpx.Response) -> list[Any]:
    return [event["usage"] for event in events(answer) if event.get("usage") is not None]


def read_to_the_end(client: httpx.Client, request: httpx.Request) -> tuple[bytes, bool]:
    """The body, and whether the connection was dropped before its end."""
    answer, got = client.send(request, stream=True), bytearray()
    assert answer.status_code == 200
    try:
        for part in answer.iter_raw():
            got += part
    except httpx.RemoteProtocolError:
        return bytes(got), True
    finally:
        answer.close()
    return bytes(got), False


def opened(data: str | None) -> tuple[str | None, tuple[int, int]]:
    with Image.open(io.BytesIO(b64decode(data or ""))) as found:
        found.load()
        return found.format, found.size


def seconds(audio: bytes) -> float:
    with av.open(io.BytesIO(audio), "r") as source:
        return sum(frame.samples / frame.sample_rate for frame in source.decode(audio=0))


def test_the_sdk_chats_streams_and_calls_tools(sdk: openai.OpenAI) -> None:
    assert "demo-cut" in {model.id for model in sdk.models.list()}
    whole = sdk.chat.completions.create(model="demo-chat", messages=HELLO)
    assert whole.choices[0].message.content == ECHO
    with sdk.chat.completions.create(model="gpt-4.1", messages=HELLO, stream=True) as stream:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == ECHO
    called = sdk.chat.completions.stream(model="demo-chat", messages=HELLO, tools=[TOOL], tool_choice="required")
    with called as calls:
        (call,) = calls.get_final_completion().choices[0].message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "demo"}')


def test_a_json_answer_fits_the_schema(client: httpx.Client) -> None:
    schema = {
        "properties": {
            "age": {"type": "integer", "minimum": 18},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
            "maybe": {"anyOf": [{"type": ["null", "string"]}, {"type": "null"}]},
        },
        "$defs": {"tag": {"enum": ["red", "blue"]}},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    content = chat(client, "demo-chat", response_format=wanted).json()["choices"][0]["message"]["content"]
    assert json.loads(content) == {"age": 18, "tags": ["red"], "maybe": "demo"}


@pytest.mark.parametrize("kind", ["mp3", "opus", "aac", "flac", "wav"])
def test_the_sdk_gets_speech_that_lasts_as_long_as_its_text(sdk: openai.OpenAI, kind: Any) -> None:
    text = "Good morning world, this is a melody."
    audio = sdk.audio.speech.create(model="tts-1", voice="nova", input=text, response_format=kind).read()
    assert seconds(audio) == pytest.approx(len(text) * 0.06, abs=0.15)  # codecs work in frames of up to 64 ms


def test_the_sdk_gets_transcripts_in_every_format(sdk: openai.OpenAI) -> None:
    create, file = sdk.audio.transcriptions.create, ("a.wav", wav(ONE_SECOND))
    assert create(model="whisper-1", file=file).text == HEARD
    verbose = create(
        model="whisper-1", file=file, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert (len(verbose.words or []), len(verbose.segments or [])) == (6, 1)
    assert create(model="whisper-1", file=file, response_format="srt").startswith("1\n00:00:00,000 --> 00:00:01,000\n")
    assert create(model="whisper-1", file=file, response_format="vtt").startswith("WEBVTT\n\n00:00:00.000 --> ")
    speakers = create(model="gpt-4o-transcribe-diarize", file=file, response_format="diarized_json")
    assert speakers.segments[0].speaker == "A"
    stream = create(model="gpt-4o-transcribe", file=file, stream=True)
    assert [event.type for event in stream] == ["transcript.text.delta"] * 6 + ["transcript.text.done"]
    with pytest.deprecated_call():
        assert sdk.audio.translations.create(model="whisper-1", file=file, prompt="say: hello").text == "hello"


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_the_sdk_gets_pictures_of_the_asked_size_and_format(sdk: openai.OpenAI, kind: Any) -> None:
    drawn = sdk.images.generate(model="gpt-image-1", prompt="a fox", n=2, size="1024x1536", output_format=kind)
    assert [opened(one.b64_json) for one in drawn.data or []] == [(kind.upper(), (1024, 1536))] * 2
    image = ("a.png", picture("a", (16, 16), "png"))
    edits = sdk.images.edit(model="gpt-image-1", prompt="a fox", image=image, stream=True, partial_images=1)
    assert [event.type for event in edits] == ["image_edit.partial_image", "image_edit.completed"]


def test_dall_e_answers_with_links_to_the_picture(sdk: openai.OpenAI) -> None:
    (item,) = sdk.images.generate(model="dall-e-3", prompt="a fox", size="1024x1024").data or []
    served = httpx.get(item.url or "")
    assert (served.headers["content-type"], served.content[:4]) == ("image/png", b"\x89PNG")


def test_the_sdk_embeds_completes_and_moderates(sdk: openai.OpenAI) -> None:
    packed = sdk.embeddings.create(model="text-embedding-3-small", input=["hello"]).data[0].embedding
    floats = sdk.embeddings.create(model="text-embedding-3-small", input="hello", encoding_format="float")
    assert list(packed) == floats.data[0].embedding
    assert len(packed) == 1536
    instruct = "gpt-3.5-turbo-instruct"
    whole = sdk.completions.create(model=instruct, prompt="good morning")
    with sdk.completions.create(model=instruct, prompt="good morning", stream=True) as stream:
        assert "".join(chunk.choices[0].text for chunk in stream) == whole.choices[0].text
    assert sdk.moderations.create(input="violence").results[0].categories.violence


def test_tokens_of_chat_follow_the_documented_rule(client: httpx.Client) -> None:
    parts = [
        {"type": "text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    messages = [{"role": "system", "content": "be very kind"}, {"role": "user", "content": parts}]
    answer = chat(client, "demo-chat", messages=messages, n=2, reasoning_effort="low", prompt_cache_key="k").json()
    usage, said = answer["usage"], answer["choices"][0]["message"]["content"]
    assert usage["prompt_tokens"] == (3 + 4) + (3 + 4 + 85)
    assert usage["completion_tokens"] == 2 * len(said.split()) + 8
    assert usage["prompt_tokens_details"]["cached_tokens"] == usage["prompt_tokens"] // 2
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 8
    cut = chat(client, "demo-chat", reasoning_effort="high", max_tokens=10).json()
    assert (cut["usage"]["completion_tokens"], cut["choices"][0]["finish_reason"]) == (10, "length")
    assert cut["choices"][0]["message"]["content"].split() == ["Hello", "from"]


@pytest.mark.parametrize(
    ("place", "model", "fields", "given", "made"),
    [
        ("images/generations", "gpt-image-1", {"size": "1024x1024", "quality": "high", "n": 2}, 2, 8320),
        ("images/edits", "gpt-image-1", {"size": "1024x1024", "quality": "low"}, 2 + 85, 272),
        ("audio/transcriptions", "gpt-4o-transcribe", {"prompt": "two words"}, 10 + 2, 6),
        ("completions", "gpt-3.5-turbo-instruct", {"best_of": 3}, 3, 3 * 5),
    ],
)
def test_tokens_of_other_places_follow_it_too(
    client: httpx.Client, place: str, model: str, fields: dict[str, Any], given: int, made: int
) -> None:
    usage = post(client, place, model, **fields).json()["usage"]
    names = ("prompt_tokens", "completion_tokens") if place == "completions" else ("input_tokens", "output_tokens")
    assert tuple(usage[name] for name in names) == (given, made)


@pytest.mark.parametrize(
    ("place", "model", "fields", "param"),
    [
        ("chat/completions", "demo-chat", {"n": 0}, "n"),
        ("audio/speech", "tts-1", {"voice": "marin"}, "voice"),
        ("audio/speech", "tts-1", {"stream_format": "sse"}, "stream_format"),
        ("audio/transcriptions", "gpt-4o-transcribe", {"response_format": "srt"}, "response_format"),
        ("images/generations", "gpt-image-1", {"response_format": "b64_json"}, "response_format"),
        ("images/generations", "dall-e-3", {"stream": True}, "stream"),
        ("embeddings", "text-embedding-3-small", {"dimensions": 1537}, "dimensions"),
    ],
)
def test_requests_that_the_originals_refuse_are_refused(
    client: httpx.Client, place: str, model: str, fields: dict[str, Any], param: str
) -> None:
    """So that a dialect of ours that sends them fails its tests."""
    answer = post(client, place, model, **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)


@pytest.mark.parametrize("place", [*PLACES, "chat/completions"])
def test_every_place_fails_by_the_suffix_and_only_by_a_known_one(client: httpx.Client, place: str) -> None:
    model = PLACES.get(place, "gpt-4.1")
    names = [f"{model}+error-500", f"{model}+flaky", f"{model}+flaky", "demo-error-500", f"{model}+unknown"]
    assert [post(client, place, name).status_code for name in names] == [500, 500, 200, 500, 200]
    hanging = asked(client, place, f"{model}+hang")
    hanging.extensions["timeout"]["read"] = 0.1
    with pytest.raises(httpx.ReadTimeout):
        client.send(hanging)


@pytest.mark.parametrize("place", sorted({*PLACES, "chat/completions"} - {"audio/speech"}))
def test_whole_answers_are_cut_end_early_or_are_empty(client: httpx.Client, place: str) -> None:
    model = PLACES.get(place, "gpt-4.1")
    whole = len(post(client, place, model).content)
    cut, dropped = read_to_the_end(client, asked(client, place, f"{model}+cut"))
    eof, dropped_too = read_to_the_end(client, asked(client, place, f"{model}+eof"))
    assert (dropped, dropped_too) == (True, False)
    assert len(cut) == pytest.approx(whole / 2, abs=8)
    assert len(eof) == pytest.approx(whole / 2, abs=8)
    assert post(client, place, f"{model}+empty").content == b""


@pytest.mark.parametrize(("behaviour", "dropped"), [("cut", True), ("fail-midstream", True), ("eof", False)])
def test_raw_audio_breaks_in_its_middle(client: httpx.Client, behaviour: str, dropped: bool) -> None:
    whole = post(client, "audio/speech", "tts-1").content
    got, was_dropped = read_to_the_end(client, asked(client, "audio/speech", f"tts-1+{behaviour}"))
    assert was_dropped == dropped
    assert whole.startswith(got)
    assert 0 < len(got) < len(whole) / 2


@pytest.mark.parametrize("place", STREAMED)
def test_streams_are_cut_end_early_or_end_with_an_error_event(client: httpx.Client, place: str) -> None:
    model, fields, count = STREAMED[place]
    for behaviour, dropped in (("cut", True), ("eof", False)):
        got, was_dropped = read_to_the_end(client, asked(client, place, f"{model}+{behaviour}", **fields))
        assert (was_dropped, got.count(b"\n\n")) == (dropped, count)
    for behaviour, before in (("fail-midstream", count), ("first-event-error", 0)):
        *early, last = events(post(client, place, f"{model}+{behaviour}", **fields))
        assert (len(early), last["error"]["type"]) == (before, "server_error")


@pytest.mark.parametrize("place", STREAMED)
def test_events_are_torn_at_awkward_bytes(client: httpx.Client, place: str) -> None:
    model, fields, _count = STREAMED[place]
    request = asked(client, place, f"{model}+crlf", **fields)
    where = urlsplit(str(request.url))
    head = f"POST {where.path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    head += "".join(f"{name}: {request.headers[name]}\r\n" for name in ("content-type", "content-length"))
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=10) as connection:
        connection.sendall(head.encode() + b"\r\n" + request.read())
        raw = b"".join(iter(lambda: connection.recv(65536), b""))
    # Chunks of a single byte, in the framing of HTTP.
    assert len(raw.split(b"\r\n1\r\n")) > 9
    text = post(client, place, f"{model}+crlf", **fields).text
    assert "\n" not in text.replace("\r\n", "")


def test_other_providers_report_usage_in_their_own_places(client: httpx.Client) -> None:
    stream = {"stream": True, "stream_options": {"include_usage": True}}
    first, second = usages(chat(client, "demo-usage-twice", **stream))
    assert first == second
    groq = events(chat(client, "demo-groq", **stream))
    assert groq[-2]["x_groq"]["usage"] == groq[-1]["usage"]
    gemini = usages(chat(client, "demo-gemini", **stream))
    assert [usage["completion_tokens"] for usage in gemini] == [*range(1, 11), 10]
    assert all(one["total_tokens"] <= two["total_tokens"] for one, two in pairwise(gemini))
    assert gemini[-1] == {"prompt_tokens": 7, "completion_tokens": 10, "total_tokens": 7 + 10 + 8}
    deepseek = chat(client, "demo-deepseek", **stream)
    assert ": keep-alive\n\n" in deepseek.text
    assert deepseek.text.count('"reasoning_content":') == 8
    [usage] = usages(deepseek)
    assert usage["prompt_cache_hit_tokens"] + usage["prompt_cache_miss_tokens"] == usage["prompt_tokens"] == 7
    assert chat(client, "demo-deepseek").text.startswith("\n\n")


def test_raw_tool_deltas_lack_index_type_and_role_and_repeat_id_and_name(client: httpx.Client) -> None:
    *raw, _finish = events(chat(client, "demo-tools-raw", stream=True, tools=[TOOL]))
    deltas = [event["choices"][0]["delta"] for event in raw]
    calls = [delta["tool_calls"][0] for delta in deltas]
    assert {(call["id"], call["function"]["name"]) for call in calls} == {("call_demo_1", "get_weather")}
    assert not any("role" in delta for delta in deltas)
    assert not any("index" in call or "type" in call for call in calls)


def test_streams_differ_in_their_form(client: httpx.Client) -> None:
    assert "[DONE]" not in chat(client, "demo-no-done", stream=True).text
    assert chat(client, "demo-json-for-stream", stream=True).headers["content-type"] == "application/json"
    assert max(map(len, chat(client, "demo-big-event", stream=True).content.split(b"\n\n"))) > 6_000_000
    assert ": größer\r\n" in chat(client, "demo-crlf", stream=True).text


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_ignore_the_asked_encoding(client: httpx.Client, encoding: str) -> None:
    models = ("text-embedding-3-small+always-floats", "text-embedding-3-small+always-base64")
    answers = [post(client, "embeddings", model, encoding_format=encoding).json() for model in models]
    floats, packed = (answer["data"][0]["embedding"] for answer in answers)
    assert list(struct.unpack("<1536f", b64decode(packed, validate=True))) == floats


def test_slow_models_leave_time_between_chunks_and_silent_ones_before_them(client: httpx.Client) -> None:
    assert chat(client, "demo-slow", stream=True, max_tokens=2).elapsed.total_seconds() >= 0.6
    silent = {"model": "demo-silent", "messages": HELLO, "stream": True}
    with client.stream("POST", "chat/completions", json=silent, timeout=0.2) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            answer.read()


def test_stats_show_the_last_request_without_its_key_and_without_the_bytes_of_files(client: httpx.Client) -> None:
    request = asked(client, "audio/transcriptions", "stats-1", **{"include[]": ["a", "b"]})
    request.headers.update({"Authorization": "Bearer sk-secret", "X-Own": "Yes"})
    client.send(request)
    seen = client.get(str(client.base_url).removesuffix("/v1/") + "/_stats").json()
    assert seen["requests"]["stats-1"] == 1
    assert seen["last_request"]["body"] == {
        "model": "stats-1",
        "include": ["a", "b"],
        "file": [{"filename": "a.wav", "content_type": "audio/wav", "bytes": 48_044}],
    }
    headers = seen["last_request"]["headers"]
    assert (headers["authorization"], headers["x-own"]) == ("present", "Yes")


def test_sigterm_ends_it_at_once_even_with_an_open_stream() -> None:
    with demo_process() as (url, process):
        body = {"model": "demo-silent", "messages": HELLO, "stream": True}
        with httpx.stream("POST", f"{url}/chat/completions", json=body):
            process.terminate()
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                pytest.fail("still running two seconds after SIGTERM")
