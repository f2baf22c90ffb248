"""Notes and reasons: what shows as it is, in line; everything that hides or turns text around is a 400."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from multiconnection.catalog.schemas import PriceBody
from multiconnection.credits.schemas import AdjustBody
from multiconnection.orders.schemas import ApproveBody, OrderBody
from multiconnection.web.validation import MaybeReasonBody, ReasonBody, plain_text
from tests.support.admin_world import USER, AdminApp, AdminWorld

pytestmark = pytest.mark.virtual_time


BAD = {
    "null": "a\x00b",
    "escape": "\x1b[2Ka",
    "tab": "a\tb",
    "delete": "a\x7f",
    "next line": "a\x85b",
    "backspace": "100\x08\x08",
    "turned around": "paid \u202e001 USD",
    "isolate": "\u2066a\u2069",
    "mark": "a\u200e",
    "arabic mark": "a\u061cb",
    "zero-width space": "a\u200bb",
    "byte order mark": "\ufeffa",
    "soft hyphen": "a\u00adb",
    "word joiner": "a\u2060b",
    "tag": "a\U000e0041",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "private": "\ue000",
    "no character": "\ufffe",
    "joiner at an end": "a\u200d",
    "joiner alone": "a \u200c b",
    "joiners in a row": "a\u200d\u200db",
}
GOOD = [
    "",
    "Invoice 7, July",
    "two\nlines",
    "100\u00a0USD \u2014 \u201cpaid\u201d",
    "\u5df2\u4ed8\u6b3e\u3000\u8c22\u8c22",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f",
    "Z\u00fcrich, Zu\u0308rich",
]
ORDER = {"amount": "1", "currency": "USD", "method": "bank_transfer", "client_token": "a-client-token"}
BODIES: list[tuple[type[BaseModel], dict[str, Any], str]] = [
    (OrderBody, ORDER, "note"),
    (ApproveBody, {"amount": "1", "account_id": "a"}, "note"),
    (ReasonBody, {}, "reason"),
    (MaybeReasonBody, {}, "reason"),
    (AdjustBody, {"amount": "1", "client_token": "a-client-token"}, "reason"),
    (PriceBody, {"prices": {}, "base_version": 1}, "reason"),
]


@pytest.fixture
async def app() -> AsyncIterator[AdminApp]:
    app = AdminApp(AdminWorld())
    async with app.http:
        yield app


@pytest.mark.parametrize("text", GOOD)
def test_what_people_write_is_kept_as_it_is(text: str) -> None:
    assert plain_text(text) == text


def test_line_breaks_have_one_form() -> None:
    assert plain_text("one\r\ntwo\rthree\nfour") == "one\ntwo\nthree\nfour"


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_hides_or_turns_text_around_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        plain_text(text)


@pytest.mark.parametrize(("schema", "others", "name"), BODIES)
def test_every_note_and_reason_is_looked_at(schema: type[BaseModel], others: dict[str, Any], name: str) -> None:
    for wrong in (BAD["turned around"], BAD["null"], "x" * 501):
        with pytest.raises(ValidationError) as refused:
            schema.model_validate({**others, name: wrong})
        assert [error["loc"] for error in refused.value.errors()] == [(name,)]
    assert getattr(schema.model_validate({**others, name: "one\r\ntwo"}), name) == "one\ntwo"


def test_a_reason_that_has_to_be_given_is_not_empty() -> None:
    with pytest.raises(ValidationError):
        ReasonBody.model_validate({"reason": ""})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("accounts/{id}/suspend", {}),
        ("accounts/{id}/resume", {}),
        ("accounts/{id}/adjust", {"amount": "1", "client_token": "a-client-token"}),
        ("models/m-1/disable", {}),
        ("providers/one/disable", {}),
    ],
)
async def test_a_reason_that_does_not_show_is_400_and_nothing_is_done(
    app: AdminApp, path: str, body: dict[str, Any]
) -> None:
    await app.world.open()
    await app.world.publish()
    status, _, error = await app.refused(path.format(id=USER.account_id), {**body, "reason": BAD["turned around"]})
    assert (status, error["param"]) == (400, "reason")
    assert "printable" in error["message"]
    assert await app.world.actions() == []
