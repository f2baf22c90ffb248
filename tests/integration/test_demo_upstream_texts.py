"""The demo upstream's embeddings, legacy completions and moderations."""

import json
import math
import struct
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from local.demo_upstream.testing import demo_upstream


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture
def sdk(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=base_url, api_key="sk-demo", max_retries=0) as client:
        yield client


def embed(base_url: str, given: Any, model: str = "text-embedding-3-small", **body: Any) -> httpx.Response:
    return httpx.post(f"{base_url}/embeddings", json={"model": model, "input": given, **body})


def vectors(answer: httpx.Response) -> list[Any]:
    data = answer.json()["data"]
    assert [one["index"] for one in data] == list(range(len(data)))
    return [one["embedding"] for one in data]


def complete(base_url: str, prompt: Any, **body: Any) -> httpx.Response:
    model = {"model": "gpt-3.5-turbo-instruct", "prompt": prompt}
    return httpx.post(f"{base_url}/completions", json={**model, **body})


def chunks(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = answer.text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]


@pytest.mark.parametrize(
    ("model", "options", "length"),
    [
        ("text-embedding-3-small", {}, 1536),
        ("text-embedding-3-large", {}, 3072),
        ("text-embedding-3-large", {"dimensions": 256}, 256),
        ("text-embedding-ada-002", {}, 1536),
        ("another", {"dimensions": 1}, 1),
    ],
)
def test_vectors_have_length_one_and_as_many_numbers_as_the_model_says(
    base_url: str, model: str, options: dict[str, int], length: int
) -> None:
    [vector] = vectors(embed(base_url, "hello world", model, **options))
    assert len(vector) == length
    assert math.hypot(*vector) == pytest.approx(1)


def test_the_same_input_has_the_same_vector_anywhere(base_url: str) -> None:
    first, second, third = vectors(embed(base_url, ["hello", "world", "hello"]))
    assert first == third == vectors(embed(base_url, "hello"))[0]
    assert first != second


@pytest.mark.parametrize(
    ("given", "count", "tokens"),
    [("three words here", 1, 3), (["a b", "c"], 2, 3), ([1, 2], 1, 2), ([[1], [2, 3]], 2, 3)],
)
def test_every_form_of_input_is_counted(base_url: str, given: Any, count: int, tokens: int) -> None:
    answer = embed(base_url, given)
    assert len(vectors(answer)) == count
    assert answer.json()["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_base64_is_little_endian_float32_of_the_same_numbers(base_url: str) -> None:
    [packed] = vectors(embed(base_url, "hello", encoding_format="base64"))
    [floats] = vectors(embed(base_url, "hello", encoding_format="float"))
    assert list(struct.unpack("<1536f", b64decode(packed, validate=True))) == floats


@pytest.mark.parametrize(
    ("given", "options", "param"),
    [
        (None, {}, "input"),
        ("", {}, "input"),
        ([], {}, "input"),
        (["a", ""], {}, "input"),
        (["a"] * 2049, {}, "input"),
        ([1, "a"], {}, "input"),
        (7, {}, "input"),
        ("a", {"dimensions": 0}, "dimensions"),
        ("a", {"dimensions": 1537}, "dimensions"),
        ("a", {"encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_bad_embedding_input_is_refused(base_url: str, given: Any, options: dict[str, Any], param: str) -> None:
    answer = embed(base_url, given, **options)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)


def test_the_sdk_embeds_in_both_encodings(sdk: openai.OpenAI) -> None:
    by_default = sdk.embeddings.create(model="text-embedding-3-small", input=["hello"]).data[0].embedding
    floats = sdk.embeddings.create(model="text-embedding-3-small", input="hello", encoding_format="float")
    assert list(by_default) == floats.data[0].embedding
    assert len(by_default) == 1536


def test_a_completion_has_the_legacy_shape(base_url: str) -> None:
    body = complete(base_url, "good morning world").json()
    assert body["id"].startswith("cmpl-")
    assert body["object"] == "text_completion"
    said = {"text": " You said: good morning world", "index": 0, "logprobs": None, "finish_reason": "stop"}
    assert body["choices"] == [said]
    usage = body["usage"]
    assert [usage[f"{name}_tokens"] for name in ("prompt", "completion", "total")] == [3, 5, 8]


@pytest.mark.parametrize(
    ("prompt", "options", "texts", "tokens"),
    [
        ("a", {"n": 2}, [" You said: a"] * 2, (1, 6)),
        (["a", "b c"], {"n": 2}, [" You said: a"] * 2 + [" You said: b c"] * 2, (3, 14)),
        ([7, 8], {}, [" You said: <7> <8>"], (2, 4)),
        ([[7], [8, 9]], {}, [" You said: <7>", " You said: <8> <9>"], (3, 7)),
        ("a b", {"echo": True, "max_tokens": 0}, ["a b"], (2, 0)),
        ("a b", {"echo": True}, ["a b You said: a b"], (2, 4)),
        ("a b", {"max_tokens": 2}, [" You said:"], (2, 2)),
        ("a b", {"stop": "said"}, [" You "], (2, 1)),
        ("a b", {"best_of": 3}, [" You said: a b"], (2, 12)),
        (" ".join("x" * 30), {}, [" You said:" + " x" * 14], (30, 16)),
        ("a", {"demo": {"text": "one two", "chunks": 3}}, ["one twoone"], (1, 3)),
    ],
)
def test_options_and_their_tokens(
    base_url: str, prompt: Any, options: dict[str, Any], texts: list[str], tokens: tuple[int, int]
) -> None:
    body = complete(base_url, prompt, **options).json()
    assert [(one["index"], one["text"]) for one in body["choices"]] == list(enumerate(texts))
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == tokens
    streamed = chunks(complete(base_url, prompt, stream=True, stream_options={"include_usage": True}, **options))
    for index, text in enumerate(texts):
        said = [one["choices"][0] for one in streamed if one["choices"] and one["choices"][0]["index"] == index]
        assert "".join(one["text"] for one in said) == text
        assert [one["finish_reason"] for one in said if one["finish_reason"]] == [
            body["choices"][index]["finish_reason"]
        ]
    assert streamed[-1]["usage"] == body["usage"]


def test_the_usage_chunk_comes_only_when_asked(base_url: str) -> None:
    assert not any("usage" in one for one in chunks(complete(base_url, "a", stream=True)))
    *rest, last = chunks(complete(base_url, "a", stream=True, stream_options={"include_usage": True}))
    assert all(one["usage"] is None and one["object"] == "text_completion" for one in rest)
    assert last["choices"] == []


def test_logprobs_say_where_each_token_stands(base_url: str) -> None:
    scores = complete(base_url, "a", logprobs=1).json()["choices"][0]["logprobs"]
    assert scores["tokens"] == [" You", " said:", " a"]
    assert scores["text_offset"] == [0, 4, 10]
    assert len(scores["token_logprobs"]) == len(scores["top_logprobs"]) == 3


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("prompt", "options", "param"),
    [
        (None, {}, "prompt"),
        ([], {}, "prompt"),
        ("a", {"n": 0}, "n"),
        ("a", {"best_of": 129}, "best_of"),
        ("a", {"max_tokens": -1}, "max_tokens"),
        ("a", {"logprobs": 6}, "logprobs"),
    ],
)
def test_bad_completion_input_is_refused(
    base_url: str, stream: bool, prompt: Any, options: dict[str, Any], param: str
) -> None:
    answer = complete(base_url, prompt, stream=stream, **options)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_the_sdk_completes_and_streams(sdk: openai.OpenAI) -> None:
    model = "gpt-3.5-turbo-instruct"
    whole = sdk.completions.create(model=model, prompt="good morning")
    with sdk.completions.create(model=model, prompt="good morning", stream=True) as stream:
        assert "".join(chunk.choices[0].text for chunk in stream) == whole.choices[0].text


def moderate(base_url: str, given: Any, **body: Any) -> httpx.Response:
    return httpx.post(f"{base_url}/moderations", json={"input": given, **body})


def test_words_flag_their_category(base_url: str) -> None:
    body = moderate(base_url, ["I hate Violence", "I love peace"]).json()
    bad, good = body["results"]
    assert (body["id"][:5], body["model"]) == ("modr-", "omni-moderation-latest")
    assert (bad["flagged"], good["flagged"]) == (True, False)
    assert [name for name, found in bad["categories"].items() if found] == ["hate", "violence"]
    assert [name for name, score in bad["category_scores"].items() if score > 0.5] == ["hate", "violence"]
    assert not any(good["categories"].values())
    assert set(bad["categories"]) == set(bad["category_applied_input_types"]) >= {"self-harm/intent", "sexual/minors"}


def test_parts_make_one_result(base_url: str) -> None:
    parts = [{"type": "text", "text": "violence"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    [result] = moderate(base_url, parts, model="omni-moderation-latest").json()["results"]
    assert result["flagged"] is True
    assert result["category_applied_input_types"]["violence"] == ["text", "image"]
    assert result["category_applied_input_types"]["hate"] == ["text"]


@pytest.mark.parametrize("given", [None, 7, [], [7], ["a", {}], [{"type": "file"}]])
def test_bad_moderation_input_is_refused(base_url: str, given: Any) -> None:
    answer = moderate(base_url, given)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")


def test_the_sdk_moderates(sdk: openai.OpenAI) -> None:
    [result] = sdk.moderations.create(input="violence").results
    assert result.flagged
    assert result.categories.violence
    assert not result.categories.harassment_threatening
