"""Images that never come, that nobody can deliver, or that are something else: an error, and no charge."""

from base64 import b64decode, b64encode
from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.support.customers import Customer
from tests.e2e.support.media import PICTURE, digest, drawn
from tests.e2e.support.prices import image_mini

FREE = "0.000000000"
FOX: dict[str, Any] = {"model": "gpt-image-1-mini", "prompt": "a red fox", "size": "1024x1024", "quality": "low"}
BODY_BYTES_MAX = 6 * 1024 * 1024


@pytest.mark.parametrize("model", ["gpt-image-1-mini+no-data", "gpt-image-1-mini+blank-item", "dall-e-3+no-data"])
def test_an_answer_without_an_image_is_an_error_and_free(hasty: Customer, model: str) -> None:
    before = hasty.available()
    answer = hasty.post("/images/generations", json={"model": model, "prompt": "a red fox"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
    row = hasty.charged(answer, before)
    assert (row["ended"], row["cost"]) == ("empty", FREE)


def test_a_stream_without_an_image_is_an_error_and_free(hasty: Customer) -> None:
    before = hasty.available()
    body = FOX | {"model": "gpt-image-1-mini+no-data", "stream": True}
    answer = hasty.post("/images/generations", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
    assert hasty.charged(answer, before)["cost"] == FREE


def test_an_image_that_cannot_be_stored_is_not_charged_and_the_row_says_why(hasty: Customer) -> None:
    """The bucket of this stack does not exist."""
    before = hasty.available()
    answer = hasty.post("/images/generations", json=FOX | {"response_format": "url"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "storage_unavailable")
    row = hasty.charged(answer, before)
    assert (row["ended"], row["cost"], row["attempts"]) == ("undelivered", FREE, 1)


def test_an_image_inline_needs_no_bucket(hasty: Customer) -> None:
    before = hasty.available()
    answer = hasty.post("/images/generations", json=FOX)
    assert answer.status_code == 200, answer.text
    assert Decimal(hasty.charged(answer, before)["cost"]) == image_mini(3, 272)


@pytest.mark.parametrize("path", ["/images/generations", "/images/edits"])
def test_a_body_that_is_too_large_is_told_the_way(demo: Customer, path: str) -> None:
    answer = demo.post(path, json=FOX | {"images": [{"image_url": "data:image/png;base64," + "A" * BODY_BYTES_MAX}]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
    assert "POST /v1/uploads" in answer.json()["error"]["message"]


def test_a_file_is_what_it_is_and_not_what_it_is_called(demo: Customer) -> None:
    before = demo.available()
    answer = demo.post("/images/edits", data=FOX, files={"image": ("../../photo.jpg", PICTURE, "image/jpeg")})
    assert answer.status_code == 200, answer.text
    (sent,) = demo.stack.last_upstream_request()["body"]["image"]
    assert (sent["content_type"], sent["bytes"]) == ("image/png", len(PICTURE))
    assert "photo" not in sent["filename"]
    assert Decimal(demo.charged(answer, before)["cost"]) == image_mini(3, 272, 85)


@pytest.mark.parametrize(
    "data",
    [b"words", b"", b"GIF89a" + bytes(20), b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", PICTURE[1:]],
    ids=["text", "nothing", "GIF", "SVG", "PDF", "a PNG without its first byte"],
)
def test_what_is_no_picture_is_refused_and_not_forwarded(demo: Customer, data: bytes) -> None:
    asked = demo.stack.last_upstream_request()
    answer = demo.post("/images/edits", data=FOX, files={"image": ("a.png", data, "image/png")})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "image")
    assert demo.stack.last_upstream_request() == asked


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/a.png", "file:///etc/passwd", "s3://bucket/a.png", "//host/a.png", "data:image/png;base64,!"],
)
def test_a_link_to_our_own_places_is_refused_and_not_forwarded(demo: Customer, url: str) -> None:
    asked = demo.stack.last_upstream_request()
    answer = demo.post("/images/edits", json=FOX | {"images": [{"image_url": url}]})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith("images")
    assert demo.stack.last_upstream_request() == asked


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"size": "7x7"}, "size"),
        ({"quality": "sublime"}, "quality"),
        ({"n": 11}, "n"),
        ({"n": "1"}, "n"),
        ({"prompt": "  "}, "prompt"),
        ({"stream": True, "response_format": "url"}, "response_format"),
        ({"model": "dall-e-3", "stream": True, "size": None, "quality": None}, "stream"),
        ({"model": "dall-e-3", "n": 2, "size": None, "quality": None}, "n"),
        ({"model": "tts-1"}, "model"),
    ],
)
def test_a_wrong_wish_is_refused_before_any_hold(demo: Customer, changes: dict[str, Any], param: str) -> None:
    answer = demo.post("/images/generations", json=FOX | changes)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert demo.get(f"/usage/{answer.headers['x-request-id']}").status_code == 404


def test_a_data_url_in_json_is_a_file(demo: Customer) -> None:
    url = f"data:image/png;base64,{b64encode(PICTURE).decode()}"
    answer = demo.post("/images/edits", json=FOX | {"images": [{"image_url": url}]})
    assert digest(b64decode(answer.json()["data"][0]["b64_json"])) == digest(drawn("a red fox", 0, PICTURE))


def test_the_books_are_right_after_all_images(demo: Customer, hasty: Customer) -> None:
    demo.stack.assert_books_are_right()
    hasty.stack.assert_books_are_right()
