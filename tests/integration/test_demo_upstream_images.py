"""The demo upstream draws: real pictures of the asked size, as base64, as URLs and as events."""

import io
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from local.demo_upstream.testing import demo_upstream

PROMPT = "a small red fox"
# 4 words, one square picture of medium quality.
USAGE = {
    "input_tokens": 4,
    "input_tokens_details": {"text_tokens": 4, "image_tokens": 0},
    "output_tokens": 1056,
    "output_tokens_details": {"text_tokens": 0, "image_tokens": 1056},
    "total_tokens": 1060,
}


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture
def sdk(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=base_url, api_key="sk-demo", max_retries=0) as client:
        yield client


def draw(base_url: str, model: str | None = "gpt-image-1", **body: Any) -> httpx.Response:
    return httpx.post(f"{base_url}/images/generations", json={"model": model, "prompt": PROMPT, **body})


def opened(data: bytes) -> tuple[str | None, tuple[int, int]]:
    with Image.open(io.BytesIO(data)) as found:
        found.load()
        return found.format, found.size


def png(side: int = 32, colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "png")
    return file.getvalue()


def pictures(answer: httpx.Response) -> list[bytes]:
    return [b64decode(one["b64_json"], validate=True) for one in answer.json()["data"]]


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    found = []
    for event in answer.text.split("\n\n")[:-1]:
        name, data = event.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def test_a_token_priced_model_answers_base64_with_usage(base_url: str) -> None:
    answer = draw(base_url)
    body = answer.json()
    assert [opened(one) for one in pictures(answer)] == [("PNG", (1024, 1024))]
    assert set(body["data"][0]) == {"b64_json"}
    told = {"background": "opaque", "output_format": "png", "quality": "medium", "size": "1024x1024"}
    assert {name: body[name] for name in (*told, "usage")} == {**told, "usage": USAGE}
    assert len(answer.content) < 50_000


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("size", [(1536, 1024), (1024, 1536), (256, 256), (17, 4000)])
def test_size_and_format_are_as_asked(base_url: str, kind: str, size: tuple[int, int]) -> None:
    answer = draw(base_url, size=f"{size[0]}x{size[1]}", output_format=kind)
    assert [opened(one) for one in pictures(answer)] == [(kind.upper(), size)]
    assert (answer.json()["size"], answer.json()["output_format"]) == (f"{size[0]}x{size[1]}", kind)


def test_n_pictures_differ_and_come_again_for_the_same_words(base_url: str) -> None:
    first, again, other = (
        pictures(draw(base_url, prompt=prompt, n=3, size="auto")) for prompt in (PROMPT, PROMPT, "a dog")
    )
    assert len(set(first)) == 3
    assert first == again
    assert not set(first) & set(other)


@pytest.mark.parametrize(
    ("options", "tokens"),
    [
        ({"quality": "low"}, 272),
        ({"quality": "high"}, 4160),
        ({"quality": "high", "n": 2}, 8320),
        ({"quality": "auto", "size": "1536x1024"}, 1584),
        ({"quality": "low", "size": "100x100"}, 3),
    ],
)
def test_output_tokens_follow_quality_size_and_n(base_url: str, options: dict[str, Any], tokens: int) -> None:
    usage = draw(base_url, **options).json()["usage"]
    assert (usage["output_tokens"], usage["total_tokens"]) == (tokens, tokens + 4)


@pytest.mark.parametrize("model", ["dall-e-2", "dall-e-3", None])
def test_dall_e_answers_urls_that_serve_the_picture_and_no_usage(base_url: str, model: str | None) -> None:
    body = draw(base_url, model, size="512x512").json()
    assert set(body) == {"created", "data"}
    [item] = body["data"]
    assert item["url"].startswith(base_url.removesuffix("/v1") + "/_images/")
    assert ("revised_prompt" in item) == (model == "dall-e-3")
    served = httpx.get(item["url"])
    assert served.headers["content-type"] == "image/png"
    assert opened(served.content) == ("PNG", (512, 512))


def test_dall_e_answers_base64_when_asked(base_url: str) -> None:
    answer = draw(base_url, "dall-e-2", response_format="b64_json", n=2)
    assert [opened(one) for one in pictures(answer)] == [("PNG", (1024, 1024))] * 2


def test_only_the_latest_pictures_are_kept(base_url: str) -> None:
    first = draw(base_url, "dall-e-2", size="16x16").json()["data"][0]["url"]
    assert httpx.get(first).status_code == 200
    for number in range(7):
        draw(base_url, "dall-e-2", size="16x16", n=10, prompt=f"another {number}")
    assert httpx.get(first).status_code == 404


@pytest.mark.parametrize("partials", [0, 1, 3])
def test_a_stream_has_partial_pictures_and_then_the_whole_one(base_url: str, partials: int) -> None:
    *early, last = events(draw(base_url, stream=True, partial_images=partials, size="64x64", quality="high"))
    assert [one["type"] for one in early] == ["image_generation.partial_image"] * partials
    assert [one["partial_image_index"] for one in early] == list(range(partials))
    assert {opened(b64decode(one["b64_json"])) for one in (*early, last)} == {("PNG", (64, 64))}
    assert len({one["b64_json"] for one in (*early, last)}) == partials + 1
    assert last["type"] == "image_generation.completed"
    assert last["usage"]["output_tokens"] == 17 + 100 * partials
    assert [last[name] for name in ("size", "quality", "output_format", "background")] == [
        "64x64",
        "high",
        "png",
        "opaque",
    ]
    assert [b64decode(last["b64_json"])] == pictures(draw(base_url, size="64x64"))


def test_several_streamed_pictures_add_up_to_the_usage_of_the_whole_answer(base_url: str) -> None:
    streamed = [one["usage"]["total_tokens"] for one in events(draw(base_url, stream=True, n=2))]
    assert len(streamed) == 2
    assert sum(streamed) == draw(base_url, n=2).json()["usage"]["total_tokens"]


def test_an_edit_takes_one_file_or_several_and_a_mask(base_url: str) -> None:
    fields = {"prompt": PROMPT, "model": "gpt-image-1", "size": "64x64", "n": "2"}
    one: Any = [("image", ("a.png", png(), "image/png"))]
    many: Any = [("image[]", ("a.png", png(), "image/png")), ("image[]", ("b.png", png(8), "image/png"))]
    mask: Any = [("mask", ("m.png", png(32, "black"), "image/png"))]
    answers = [httpx.post(f"{base_url}/images/edits", data=fields, files=files) for files in (one, many, one + mask)]
    tokens = [answer.json()["usage"]["input_tokens_details"]["image_tokens"] for answer in answers]
    assert tokens == [85, 170, 170]
    assert [[opened(data) for data in pictures(answer)] for answer in answers] == [[("PNG", (64, 64))] * 2] * 3
    assert len({data for answer in answers for data in pictures(answer)}) == 6


def test_an_edit_takes_data_urls_and_fetches_others(base_url: str) -> None:
    url = draw(base_url, "dall-e-2", size="64x64").json()["data"][0]["url"]
    inline = "data:image/png;base64," + b64encode(png()).decode()
    for given in (url, inline):
        body = {"model": "gpt-image-1", "prompt": PROMPT, "images": [{"image_url": given}]}
        answer = httpx.post(f"{base_url}/images/edits", json=body)
        assert answer.json()["usage"]["input_tokens"] == 4 + 85


def test_edits_stream_with_their_own_names(base_url: str) -> None:
    fields = {"prompt": PROMPT, "model": "gpt-image-1", "stream": "true", "partial_images": "1", "size": "64x64"}
    answer = httpx.post(f"{base_url}/images/edits", data=fields, files={"image": ("a.png", png(), "image/png")})
    assert [one["type"] for one in events(answer)] == ["image_edit.partial_image", "image_edit.completed"]


@pytest.mark.parametrize(
    ("model", "wrong", "param"),
    [
        ("gpt-image-1", {"response_format": "b64_json"}, "response_format"),
        ("dall-e-2", {"stream": True}, "stream"),
        ("dall-e-2", {"response_format": "file"}, "response_format"),
        ("gpt-image-1", {"prompt": ""}, "prompt"),
        ("gpt-image-1", {"prompt": None}, "prompt"),
        ("gpt-image-1", {"n": 0}, "n"),
        ("gpt-image-1", {"n": 11}, "n"),
        ("gpt-image-1", {"n": "2"}, "n"),
        ("gpt-image-1", {"size": "big"}, "size"),
        ("gpt-image-1", {"size": "5000x16"}, "size"),
        ("gpt-image-1", {"quality": "best"}, "quality"),
        ("gpt-image-1", {"output_format": "svg"}, "output_format"),
        ("gpt-image-1", {"stream": True, "partial_images": 4}, "partial_images"),
        ("gpt-image-1", {"stream": True, "background": 1}, "background"),
    ],
)
def test_bad_input_is_refused_in_openais_shape(base_url: str, model: str, wrong: dict[str, Any], param: str) -> None:
    answer = draw(base_url, model, **wrong)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


def test_an_unknown_parameter_is_refused_in_openais_words(base_url: str) -> None:
    assert draw(base_url, response_format="url").json()["error"]["message"] == "Unknown parameter: 'response_format'."


@pytest.mark.parametrize(
    ("images", "param"),
    [
        (None, "image"),
        ([], "image"),
        ([{"file_id": "file-1"}], "images"),
        ([{"image_url": "data:image/png;base64,!!"}], "images"),
        ([{"image_url": "data:image/png;base64,AAAA"}], "image"),
        ([{"image_url": "http://127.0.0.1:1/nothing.png"}], "images"),
        ([{"image_url": "nonsense"}], "images"),
    ],
)
def test_an_edit_without_real_pictures_is_refused(base_url: str, images: Any, param: str) -> None:
    body = {"model": "gpt-image-1", "prompt": PROMPT, "images": images}
    answer = httpx.post(f"{base_url}/images/edits", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_file_that_is_no_picture_is_refused(base_url: str) -> None:
    files = {"image": ("a.png", b"not a picture", "image/png")}
    answer = httpx.post(f"{base_url}/images/edits", data={"prompt": PROMPT}, files=files)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_image_file")


def test_the_sdk_draws_edits_and_streams(sdk: openai.OpenAI) -> None:
    drawn = sdk.images.generate(model="gpt-image-1", prompt=PROMPT, size="1024x1024")
    assert drawn.usage is not None
    assert drawn.usage.total_tokens == 1060
    edited = sdk.images.edit(model="gpt-image-1", prompt=PROMPT, image=[("a.png", png()), ("b.png", png(8))])
    assert edited.usage is not None
    assert edited.usage.input_tokens_details.image_tokens == 170
    stream = sdk.images.generate(model="gpt-image-1", prompt=PROMPT, stream=True, partial_images=2)
    assert [event.type for event in stream] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    edits = sdk.images.edit(model="gpt-image-1", prompt=PROMPT, image=("a.png", png()), stream=True)
    assert [event.type for event in edits] == ["image_edit.completed"]
