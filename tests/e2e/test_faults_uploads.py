"""Uploads: only one's own file, only by its id, only as what it is."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from local.demo_upstream.audio import wav
from tests.e2e.support.customers import Customer, new_customer
from tests.e2e.support.media import PICTURE, RECORDING
from tests.e2e.support.prices import whisper
from tests.e2e.support.stack import LocalStack

FOX: dict[str, Any] = {"model": "gpt-image-1-mini", "prompt": "a red fox", "size": "1024x1024", "quality": "low"}
# More than a request may have: 160 seconds.
LONG_S = 160
UNKNOWN = "upl_" + "0" * 22
# ID is that of a file of another account, ACCOUNT that account.
TRICKS = (
    "",
    "..",
    "../ACCOUNT/ID",
    "ID/../../ACCOUNT/ID",
    "..%2fACCOUNT%2fID",
    "%2e%2e/ACCOUNT/ID",
    "./ID",
    "ID/",
    "ID?versionId=1",
    "ID#a",
    "ID%00",
    "ID\n",
    "/ID",
    "//ACCOUNT/ID",
    "uploads/ACCOUNT/ID",
    "ACCOUNT/ID",
    "../../results/ACCOUNT/0.png",
    "upload://ID",
    "upl_..",
    "UPL_" + "0" * 22,
    "upl_" + "0" * 65,
    UNKNOWN,
    "ID",
)


def in_chat(customer: Customer, reference: str) -> httpx.Response:
    content = [{"type": "image_url", "image_url": {"url": reference}}]
    body = {"model": "demo-chat", "messages": [{"role": "user", "content": content}]}
    return customer.post("/chat/completions", json=body)


def in_edit(customer: Customer, reference: str) -> httpx.Response:
    return customer.post("/images/edits", json=FOX | {"images": [{"image_url": reference}]})


def in_edit_form(customer: Customer, reference: str) -> httpx.Response:
    return customer.post("/images/edits", files=_form(FOX | {"image": reference}))


def in_transcription(customer: Customer, reference: str) -> httpx.Response:
    return customer.post("/audio/transcriptions", files=_form({"model": "whisper-1", "file": reference}))


def _form(fields: dict[str, str]) -> dict[str, tuple[None, str]]:
    """Fields without a filename, as a form all the same."""
    return {name: (None, value) for name, value in fields.items()}


Use = Callable[[Customer, str], httpx.Response]
USES: tuple[Use, ...] = (in_chat, in_edit, in_edit_form, in_transcription)
EACH_USE = pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)


@pytest.fixture(scope="module")
def owner(stack: LocalStack) -> Customer:
    return new_customer(stack, "1")


@pytest.fixture(scope="module")
def picture_id(owner: Customer) -> str:
    return owner.upload(PICTURE, "image/png")


@pytest.fixture(scope="module")
def recording_id(owner: Customer) -> str:
    return owner.upload(RECORDING, "audio/wav")


def own_file(use: Use, picture_id: str, recording_id: str) -> str:
    return recording_id if use is in_transcription else picture_id


@EACH_USE
def test_the_owner_may_use_the_file(owner: Customer, picture_id: str, recording_id: str, use: Use) -> None:
    before = owner.available()
    answer = use(owner, f"upload://{own_file(use, picture_id, recording_id)}")
    assert answer.status_code == 200, answer.text
    assert Decimal(owner.charged(answer, before)["cost"]) > 0


@EACH_USE
@pytest.mark.parametrize("trick", TRICKS)
def test_no_id_leads_to_the_file_of_another_account(
    demo: Customer, owner: Customer, picture_id: str, recording_id: str, use: Use, trick: str
) -> None:
    stranger, asked = demo, demo.stack.last_upstream_request()
    theirs = own_file(use, picture_id, recording_id)
    answer = use(stranger, "upload://" + trick.replace("ACCOUNT", owner.account_id).replace("ID", theirs))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "upload_not_found"), answer.text
    assert stranger.get(f"/usage/{answer.headers['x-request-id']}").status_code == 404
    assert stranger.stack.last_upstream_request() == asked


@EACH_USE
def test_a_file_that_was_never_sent_is_not_there(demo: Customer, use: Use) -> None:
    kind = "audio/wav" if use is in_transcription else "image/png"
    made = demo.post("/uploads", json={"bytes": 100, "content_type": kind}).json()
    answer = use(demo, made["reference"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "upload_not_found")


@EACH_USE
def test_a_file_of_another_kind_is_refused(owner: Customer, picture_id: str, recording_id: str, use: Use) -> None:
    other = picture_id if use is in_transcription else recording_id
    answer = use(owner, f"upload://{other}")
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("use", [in_edit, in_edit_form, in_transcription], ids=lambda use: use.__name__)
def test_a_file_that_is_not_what_it_was_announced_as_is_refused(owner: Customer, use: Use) -> None:
    asked = owner.stack.last_upstream_request()
    words = owner.upload(b"these are words", "audio/wav" if use is in_transcription else "image/png")
    assert use(owner, f"upload://{words}").status_code == 400
    assert owner.stack.last_upstream_request() == asked


def test_the_provider_of_a_chat_can_read_the_file_and_nobody_learns_of_our_reference(
    owner: Customer, picture_id: str
) -> None:
    in_chat(owner, f"upload://{picture_id}")
    (part,) = owner.stack.last_upstream_request()["body"]["messages"][0]["content"]
    url = part["image_url"]["url"]
    answer = owner.stack.http.get(url)
    assert (answer.content, answer.headers["content-type"]) == (PICTURE, "image/png")
    assert "X-Amz-Signature=" in url


def test_a_file_that_is_too_large_for_a_request_is_transcribed_from_an_upload(owner: Customer) -> None:
    before = owner.available()
    recording = wav(bytes(2 * 24_000 * LONG_S))
    assert len(recording) > 6 * 1024 * 1024
    answer = in_transcription(owner, f"upload://{owner.upload(recording, 'audio/wav')}")
    assert f"{LONG_S}.000 seconds" in answer.json()["text"]
    assert Decimal(owner.charged(answer, before)["cost"]) == whisper(LONG_S * 1000)


@pytest.mark.parametrize(
    ("wanted", "status", "param"),
    [
        ({"bytes": 0, "content_type": "image/png"}, 400, "bytes"),
        ({"bytes": "9", "content_type": "image/png"}, 400, "bytes"),
        ({"bytes": 10**12, "content_type": "audio/wav"}, 413, "bytes"),
        ({"bytes": 21 * 1024 * 1024, "content_type": "image/png"}, 413, "bytes"),
        ({"bytes": 9}, 400, "content_type"),
        ({"bytes": 9, "content_type": "text/html"}, 400, "content_type"),
        ({"bytes": 9, "content_type": "application/octet-stream"}, 400, "content_type"),
        ({"bytes": 9, "content_type": "image/png\r\nx-amz-acl: public-read"}, 400, "content_type"),
        ({"bytes": 9, "content_type": "image/png", "filename": "a" * 300}, 400, "filename"),
    ],
)
def test_a_wrong_wish_makes_no_upload(demo: Customer, wanted: dict[str, Any], status: int, param: str) -> None:
    answer = demo.post("/uploads", json=wanted)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)


def test_an_upload_costs_nothing(owner: Customer) -> None:
    before = owner.available()
    owner.upload(PICTURE, "image/png")
    assert owner.available() == before


def test_the_books_are_right_after_all_uploads(demo: Customer) -> None:
    demo.stack.assert_books_are_right()
