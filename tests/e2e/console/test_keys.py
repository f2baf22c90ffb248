"""What becomes of a key: its limits, a rotation with overlap, disabled, deleted by its name."""

import re
from collections.abc import Sequence

from playwright.sync_api import expect

from tests.e2e.console.support.people import a_user
from tests.e2e.console.support.visitor import Visitor
from tests.e2e.support.customers import Customer, chat_body
from tests.e2e.support.stack import LocalStack
from tests.e2e.support.waiting import until

# Functions know a key for a few seconds.
KNOWN_S = 20.0


def test_a_key_keeps_the_limits_of_its_form(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Mary"), "/console/keys?new=1")
    visitor.fill("Name", "limited")
    visitor.fill("Budget (optional)", "0.0000000001")
    visitor.fill("Only these models (optional)", "demo-chat\ngpt-99")
    visitor.press("Create key")
    visitor.sees("At most 9 digits after the point.", "There is no model “gpt-99”.")
    visitor.fill("Budget (optional)", "0.50")
    visitor.fill("Only these models (optional)", "demo-chat")
    visitor.fill("Calls per minute (optional)", "30")
    secret = create(visitor, "limited")

    row = visitor.row("API keys", "limited")
    expect(row).to_contain_text("1 model, 30 calls/min")
    expect(row).to_contain_text("$0.50 of $0.50")
    customer = Customer(stack, "", secret)
    assert customer.chat("demo-chat").status_code == 200
    assert customer.chat("gpt-4.1-mini").status_code == 403


def test_a_rotated_key_goes_on_beside_the_new_one(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Annie"), "/console/keys?new=1")
    visitor.fill("Name", "backend")
    old = create(visitor, "backend")
    act(visitor, "backend", "Rotate")
    visitor.choose("The old key ends", "In 1 hour")
    visitor.press("Make the new key")
    expect(visitor.dialog).to_contain_text(f"…{old[-4:]}, ends")
    new = keep(visitor, "backend")
    assert old != new
    both = [Customer(stack, "", key) for key in (old, new)]
    assert statuses(both) == [200, 200]
    expect(visitor.row("API keys", old[-4:])).to_contain_text(re.compile("in (1 hour|59 minutes)"))
    expect(visitor.row("API keys", new[-4:])).to_contain_text("Not used yet")
    assert Customer(stack, "", old).chat("demo-chat").status_code == 200
    visitor.page.reload()
    expect(visitor.row("API keys", old[-4:])).to_contain_text("just now")
    expect(visitor.row("API keys", new[-4:])).to_contain_text("Not used yet")

    act(visitor, new[-4:], "Disable", "backend")
    expect(visitor.row("API keys", old[-4:])).to_contain_text("Disabled")
    until(lambda: statuses(both) == [401, 401], KNOWN_S, "both secrets are refused")
    act(visitor, new[-4:], "Enable", "backend")
    expect(visitor.row("API keys", old[-4:])).to_contain_text("Active")
    until(lambda: statuses(both) == [200, 200], KNOWN_S, "both secrets work again")

    act(visitor, old[-4:], "End now", "backend")
    visitor.press("End the old secret")
    expect(visitor.row("API keys", old[-4:])).to_have_count(0)
    until(lambda: statuses(both) == [401, 200], KNOWN_S, "the old secret alone is refused")


def test_a_key_is_disabled_enabled_and_deleted_by_its_name(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Jean"), "/console/keys?new=1")
    visitor.fill("Name", "old script")
    customer = Customer(stack, "", create(visitor, "old script"))
    act(visitor, "old script", "Disable")
    expect(visitor.row("API keys", "old script")).to_contain_text("Disabled")
    until(lambda: customer.get("/models").status_code == 401, KNOWN_S, "the disabled key is refused")
    act(visitor, "old script", "Enable")
    expect(visitor.row("API keys", "old script")).to_contain_text("Active")
    until(lambda: customer.get("/models").status_code == 200, KNOWN_S, "the enabled key works")

    act(visitor, "old script", "Delete")
    delete = visitor.dialog.get_by_role("button", name="Delete the key")
    expect(delete).to_have_attribute("aria-disabled", "true")
    visitor.fill("Type “old script” to confirm", "old scrip")
    expect(delete).to_have_attribute("aria-disabled", "true")
    visitor.fill("Type “old script” to confirm", "old script")
    delete.click()
    visitor.sees("No keys yet")
    until(lambda: customer.post("/chat/completions", json=chat_body()).status_code == 401, KNOWN_S, "it is refused")


def statuses(customers: Sequence[Customer]) -> list[int]:
    return [customer.get("/models").status_code for customer in customers]


def create(visitor: Visitor, name: str) -> str:
    visitor.press("Create key")
    return keep(visitor, name)


def keep(visitor: Visitor, name: str) -> str:
    """The secret in the dialog, which is then closed."""
    secret = visitor.dialog.get_by_role("group", name=f"key {name}").inner_text()
    visitor.dialog.get_by_label("I have saved it").check()
    visitor.press("Done")
    expect(visitor.dialog).to_have_count(0)
    return secret


def act(visitor: Visitor, row: str, action: str, name: str = "") -> None:
    """In the row that has the text `row`, of the key `name`, which is the same unless it is given."""
    visitor.row("API keys", row).get_by_role("button", name=f"Actions for {name or row}").click()
    visitor.page.get_by_role("menuitem", name=action).click()
