"""How the demo upstream fails to answer, on every endpoint: errors, hanging, broken bodies and broken streams."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from local.demo_upstream import BEHAVIOURS
from local.demo_upstream.testing import PLACES, demo_upstream, sample

# Each poll is a round trip of about a millisecond.
POLLS_MAX = 2000
# What makes each endpoint that streams do so, and how many events come before the end of its stream when it breaks.
STREAMED: dict[str, tuple[str, dict[str, Any], int]] = {
    "audio/speech": ("gpt-4o-mini-tts", {"stream_format": "sse"}, 3),
    "audio/transcriptions": ("gpt-4o-transcribe", {"stream": "true"}, 3),
    "images/generations": ("gpt-image-1", {"stream": True, "partial_images": 2}, 2),
    "images/edits": ("gpt-image-1", {"stream": "true", "partial_images": "1"}, 1),
    "completions": ("gpt-3.5-turbo-instruct", {"stream": True}, 3),
}
WHOLE = sorted(set(PLACES) - {"audio/speech"})


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture
def client(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=20) as client:
        client.post(base_url.removesuffix("/v1") + "/_reset")
        yield client


def asked(client: httpx.Client, place: str, model: str, **fields: Any) -> httpx.Request:
    return client.build_request("POST", place, **sample(place, model, **fields))


def post(client: httpx.Client, place: str, model: str, **fields: Any) -> httpx.Response:
    return client.send(asked(client, place, model, **fields))


def read_until_it_breaks(client: httpx.Client, request: httpx.Request) -> tuple[bytes, bool]:
    """What came, and whether the connection was dropped before the end."""
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


def stats(client: httpx.Client) -> dict[str, Any]:
    return dict(client.get(str(client.base_url).removesuffix("/v1/") + "/_stats").json())


@pytest.mark.parametrize("by_suffix", [True, False])
@pytest.mark.parametrize(
    ("behaviour", "status", "part"),
    [
        ("error-500", 500, '"type":"server_error"'),
        ("error-429", 429, '"code":"rate_limit_exceeded"'),
        ("error-400", 400, '"param":"temperature"'),
        ("error-401", 401, '"code":"invalid_api_key"'),
        ("error-html", 502, "<html>"),
        ("error-200", 200, '{"error":{'),
    ],
)
@pytest.mark.parametrize("place", PLACES)
def test_errors_before_the_answer(
    client: httpx.Client, place: str, behaviour: str, status: int, part: str, by_suffix: bool
) -> None:
    answer = post(client, place, f"{PLACES[place]}+{behaviour}" if by_suffix else f"demo-{behaviour}")
    assert answer.status_code == status
    assert part in answer.text
    assert answer.headers.get("retry-after") == ("1" if status == 429 else None)


@pytest.mark.parametrize("place", PLACES)
def test_flaky_fails_every_odd_time(client: httpx.Client, place: str) -> None:
    model = f"{PLACES[place]}+flaky"
    assert [post(client, place, model).status_code for _ in range(4)] == [500, 200, 500, 200]


@pytest.mark.parametrize("place", PLACES)
def test_a_client_that_leaves_a_hanging_call_is_counted(client: httpx.Client, place: str) -> None:
    model = f"{PLACES[place]}+hang"
    request = asked(client, place, model)
    with httpx.Client(timeout=0.1) as impatient, pytest.raises(httpx.ReadTimeout):
        impatient.send(httpx.Request("POST", request.url, headers=request.headers, content=request.read()))
    assert any(stats(client)["clients_gone"] == {model: 1} for _ in range(POLLS_MAX))


@pytest.mark.parametrize("place", WHOLE)
def test_whole_answers_break_in_every_way(client: httpx.Client, place: str) -> None:
    model = PLACES[place]
    whole = len(post(client, place, model).content)
    cut, dropped = read_until_it_breaks(client, asked(client, place, f"{model}+cut"))
    assert dropped
    assert len(cut) == pytest.approx(whole / 2, abs=4)
    eof = post(client, place, f"{model}+eof")
    assert len(eof.content) == pytest.approx(whole / 2, abs=4)
    with pytest.raises(json.JSONDecodeError):
        eof.json()
    assert post(client, place, f"{model}+empty").content == b""
    for behaviour in ("fail-midstream", "first-event-error"):
        assert post(client, place, f"{model}+{behaviour}").status_code == 500


@pytest.mark.parametrize(("behaviour", "dropped"), [("cut", True), ("fail-midstream", True), ("eof", False)])
@pytest.mark.parametrize("kind", ["mp3", "opus", "pcm"])
def test_raw_audio_breaks_in_its_middle(client: httpx.Client, kind: str, behaviour: str, dropped: bool) -> None:
    whole = post(client, "audio/speech", "tts-1", response_format=kind).content
    request = asked(client, "audio/speech", f"tts-1+{behaviour}", response_format=kind)
    got, was_dropped = read_until_it_breaks(client, request)
    assert was_dropped == dropped
    assert whole.startswith(got)
    assert 0 < len(got) < len(whole) / 2


def test_even_the_shortest_audio_breaks_in_its_middle(client: httpx.Client) -> None:
    whole = len(post(client, "audio/speech", "tts-1", input="a").content)
    got, dropped = read_until_it_breaks(client, asked(client, "audio/speech", "tts-1+cut", input="a"))
    assert dropped
    assert 0 < len(got) < whole / 2


def test_the_break_in_raw_audio_can_be_moved(client: httpx.Client) -> None:
    whole = post(client, "audio/speech", "tts-1", response_format="pcm").content
    request = asked(client, "audio/speech", "tts-1", response_format="pcm", demo={"fail_after_chunks": 1})
    got, dropped = read_until_it_breaks(client, request)
    assert (dropped, len(got)) == (True, min(4096, len(whole) // 8))


def test_raw_audio_can_be_empty_or_fail_at_once(client: httpx.Client) -> None:
    answer = post(client, "audio/speech", "tts-1+empty")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "audio/mpeg", b"")
    assert post(client, "audio/speech", "tts-1+first-event-error").status_code == 500


@pytest.mark.parametrize("place", STREAMED)
def test_streams_end_with_an_error_event(client: httpx.Client, place: str) -> None:
    model, fields, count = STREAMED[place]
    for behaviour, before in (("fail-midstream", count), ("first-event-error", 0)):
        *events, last, rest = post(client, place, f"{model}+{behaviour}", **fields).text.split("\n\n")
        assert (len(events), rest) == (before, "")
        assert last.startswith("data: " if place == "completions" else "event: error\ndata: ")
        assert json.loads(last.partition("data: ")[2])["error"]["type"] == "server_error"


@pytest.mark.parametrize("place", STREAMED)
def test_streams_are_cut_or_end_early(client: httpx.Client, place: str) -> None:
    model, fields, count = STREAMED[place]
    for behaviour, dropped in (("cut", True), ("eof", False)):
        got, was_dropped = read_until_it_breaks(client, asked(client, place, f"{model}+{behaviour}", **fields))
        assert (was_dropped, got.count(b"\n\n")) == (dropped, count)
        assert not any(word in got for word in (b"[DONE]", b".done", b".completed"))
    assert post(client, place, f"{model}+empty", **fields).content == b""


@pytest.mark.parametrize("place", STREAMED)
def test_crlf_is_torn_but_whole(client: httpx.Client, place: str) -> None:
    model, fields, _count = STREAMED[place]
    text = post(client, place, f"{model}+crlf", **fields).text
    assert "\n" not in text.replace("\r\n", "")
    assert text.count("\r\n\r\n") > 1


@pytest.mark.parametrize("place", sorted(set(STREAMED) - {"audio/speech"}))
def test_json_comes_for_a_stream(client: httpx.Client, place: str) -> None:
    model, fields, _count = STREAMED[place]
    answer = post(client, place, f"{model}+json-for-stream", **fields)
    assert answer.headers["content-type"] == "application/json"
    assert "error" not in answer.json()


def test_chat_knows_the_suffix_too(client: httpx.Client) -> None:
    body = {"messages": [{"role": "user", "content": "x"}]}
    codes = [
        client.post("chat/completions", json={"model": model, **body}).status_code
        for model in ("gpt-4.1+error-500", "gpt-4.1", "c+unknown", "error-500")
    ]
    assert codes == [500, 200, 200, 200]


def test_new_behaviours_are_listed(client: httpx.Client) -> None:
    listed = {model["id"]: model["description"] for model in client.get("models").json()["data"]}
    assert listed == BEHAVIOURS
    assert {"demo-no-data", "demo-fewer", "demo-always-base64"} <= set(listed)


def test_slow_and_silent_audio(client: httpx.Client) -> None:
    fields = {"demo": {"delay_ms": 20, "first_delay_ms": 40}}
    assert post(client, "audio/speech", "tts-1", **fields).elapsed.total_seconds() >= 0.04 + 8 * 0.02
    assert post(client, "embeddings", "text-embedding-3-small", **fields).elapsed.total_seconds() >= 0.06


@pytest.mark.parametrize("place", PLACES)
def test_stats_record_every_request(client: httpx.Client, place: str) -> None:
    model = PLACES[place]
    client.send(asked(client, place, model, mark="m"))
    seen = stats(client)
    assert seen["requests"] == {model: 1}
    assert seen["last_request"]["path"] == f"/v1/{place}"
    assert (seen["last_request"]["body"]["model"], seen["last_request"]["body"]["mark"]) == (model, "m")


def test_stats_record_what_is_refused_and_files_without_their_bytes(client: httpx.Client) -> None:
    post(client, "audio/speech", "tts-1", voice="nobody")
    assert stats(client)["requests"] == {"tts-1": 1}
    post(client, "audio/transcriptions", "whisper-1", **{"include[]": ["a", "b"]})
    assert stats(client)["last_request"]["body"] == {
        "model": "whisper-1",
        "include": ["a", "b"],
        "file": [{"filename": "a.wav", "content_type": "audio/wav", "bytes": 48_044}],
    }
