"""What administrators do besides orders, and that the audit log has all of it with what was before and after."""

import re
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from tests.e2e.console.conftest import Visitors
from tests.e2e.console.support.people import Person, a_user
from tests.e2e.console.support.visitor import Visitor
from tests.e2e.support.customers import Customer
from tests.e2e.support.stack import LocalStack
from tests.e2e.support.waiting import until

# Served by the demo upstream like all others, and called by no other test.
MODEL, MODEL_NAME = "codestral-2508", "Codestral"
# Functions know an account for a few seconds.
KNOWN_S = 20.0


@pytest.fixture
def boss(stack: LocalStack) -> Person:
    """An administrator of this walk alone, so that the log can be asked for what he did."""
    return a_user(stack, "Boss", admin=True)


@pytest.fixture
def admin(visitors: Visitors, boss: Person) -> Visitor:
    visitor = visitors()
    visitor.sign_in(boss, "/admin/orders")
    return visitor


def test_a_small_adjustment_is_booked_at_once(
    visitor: Visitor, admin: Visitor, boss: Person, stack: LocalStack
) -> None:
    person = a_user(stack, "Tabitha")
    visitor.sign_in(person)
    open_account(admin, person)
    adjust(admin, "25.50", "Goodwill after the outage")
    admin.sees("The balance is adjusted")
    visitor.open("/console/billing?tab=credits")
    expect(visitor.page.get_by_role("group", name="Balance")).to_contain_text("$26.50")
    expect(visitor.row("Credits", "Adjustment")).to_contain_text("Goodwill after the outage")
    expect(visitor.row("Credits", "Adjustment")).to_contain_text("$25.50")

    adjust(admin, "26.51", "Taken back", direction="Take from the account")
    admin.sees("Only $26.50 are available.")
    admin.fill("Amount", "20")
    admin.press("Adjust")
    expect(admin.page.get_by_role("region", name="Balance")).to_contain_text("$6.50")
    assert logged(admin, boss) == ["adjustment.apply", "adjustment.propose"] * 2


def test_a_large_adjustment_waits_for_a_second_administrator(
    visitors: Visitors, visitor: Visitor, admin: Visitor, boss: Person, stack: LocalStack
) -> None:
    person, other = a_user(stack, "Ursula"), a_user(stack, "Second", admin=True)
    visitor.sign_in(person)
    second = visitors()
    second.sign_in(other, "/admin/accounts/adjustments")
    open_account(admin, person)
    adjust(admin, "100.01", "Contract 4711")
    admin.sees("Another administrator has to approve this")
    admin.follow("See the adjustment")
    expect(admin.dialog).to_contain_text("A second administrator is needed")
    expect(admin.dialog.get_by_role("button", name="Approve")).to_have_count(0)

    second.page.reload()
    second.row("Adjustments", "Contract 4711").get_by_role("link").first.click()
    second.dialog.get_by_role("button", name="Approve", exact=True).click()
    expect(second.dialog).to_contain_text("+$100.01")
    expect(second.dialog).to_contain_text(person.email)
    second.dialog.get_by_role("button", name="Approve +$100.01").click()
    expect(second.dialog).to_contain_text("Applied")
    visitor.page.reload()
    expect(visitor.page.get_by_role("group", name="Balance")).to_contain_text("$101.01")
    assert logged(second, boss) == ["adjustment.propose"]
    assert logged(second, other) == ["adjustment.apply", "adjustment.approve"]


def test_a_suspended_account_is_refused_until_it_is_resumed(
    visitor: Visitor, admin: Visitor, boss: Person, stack: LocalStack
) -> None:
    person = a_user(stack, "Wilma")
    visitor.sign_in(person, "/console/keys")
    customer = Customer(stack, "", visitor.api("POST", "/api/keys", {"name": "any"})["secret"])
    assert customer.chat().status_code == 200
    open_account(admin, person)
    admin.press("Suspend")
    admin.press("Suspend the account")
    admin.sees("Say why: it is kept with the decision.")
    admin.dialog.get_by_label("Reason").fill("A key of it was found in public")
    admin.press("Suspend the account")
    admin.sees("Calls of this account are refused.")
    until(lambda: customer.chat().status_code == 403, KNOWN_S, "its calls are refused")
    admin.press("Resume")
    admin.dialog.get_by_label("Reason").fill("The key is deleted")
    admin.press("Resume the account")
    expect(admin.page.get_by_text("Calls of this account are refused.")).to_have_count(0)
    until(lambda: customer.chat().status_code == 200, KNOWN_S, "its calls are answered")
    assert logged(admin, boss) == ["account.resume", "account.suspend"]
    admin.row("Audit log", "account.suspend").get_by_role("link").first.click()
    expect(admin.dialog).to_contain_text("A key of it was found in public")
    expect(admin.dialog.get_by_role("row", name="status")).to_have_text(re.compile("active.*suspended"))


def test_a_price_change_is_shown_before_it_is_published(admin: Visitor, boss: Person) -> None:
    admin.open("/admin/models?q=codestral")
    admin.follow(MODEL_NAME)
    price = admin.page.get_by_label("Input", exact=True)
    old = Decimal(price.input_value())
    price.fill(str(old * 11))
    admin.press("Compare and publish …")
    expect(admin.dialog).to_contain_text("What running calls pay")
    expect(admin.dialog.get_by_role("row", name="Input")).to_contain_text("+1000 %")
    publish = admin.dialog.get_by_role("button", name="Publish version 2")
    expect(publish).to_have_attribute("aria-disabled", "true")
    admin.press("Cancel")

    price.fill(str(old * Decimal("1.5")))
    admin.press("Compare and publish …")
    expect(admin.dialog.get_by_role("row", name="Input")).to_contain_text("+50 %")
    admin.dialog.get_by_label("Reason").fill("Upstream became dearer")
    publish.click()
    admin.sees("Version 2 is published")
    versions = admin.table("Price versions")
    expect(versions.locator("tbody tr").first).to_contain_text("2 In force")
    expect(versions.locator("tbody tr").first).to_contain_text(boss.email)
    assert logged(admin, boss) == ["model.price"]
    expect(admin.row("Audit log", "model.price")).to_contain_text("input")


def test_a_model_and_a_provider_are_switched_off_and_on(admin: Visitor, boss: Person) -> None:
    admin.open(f"/admin/models/{MODEL}")
    for action, state in (("Disable", "Disabled"), ("Enable", "Enabled")):
        admin.press(action)
        admin.dialog.get_by_label("Reason").fill("A walk")
        admin.press(action)
        expect(admin.page.get_by_role("region", name="Model", exact=True)).to_contain_text(state)
    admin.open("/admin/providers")
    for action, then in (("Disable groq", "Enable groq"), ("Enable groq", "Disable groq")):
        admin.press(action)
        admin.press(action.split()[0])
        expect(admin.page.get_by_role("button", name=then)).to_be_visible()
    assert logged(admin, boss) == ["provider.enable", "provider.disable", "model.enable", "model.disable"]


def test_the_books_are_added_up_and_are_right(admin: Visitor, boss: Person) -> None:
    admin.open("/admin/reconciliation")
    admin.press("Run now")
    admin.sees("The books are right")
    expect(admin.page.get_by_role("region", name="Latest report")).to_contain_text("$0.000000000")
    assert logged(admin, boss) == ["reconciliation.run"]


def test_revenue_has_what_was_called_by_day_model_and_account(admin: Visitor, stack: LocalStack) -> None:
    customer = Customer(stack, stack.run["account_id"], stack.run["api_key"])
    customer.chat("gemini-2.5-pro").raise_for_status()
    admin.open("/admin/revenue")
    admin.follow("By model")
    admin.arrives("/admin/revenue?group=model")
    expect(admin.row("Revenue Model", "gemini-2.5-pro")).to_contain_text("$0.0")
    admin.follow("By account")
    expect(admin.row("Revenue Account", customer.account_id)).to_have_count(1)
    admin.fill("To", "2020-01-01")
    admin.sees("Later than the last day.")


def open_account(admin: Visitor, person: Person) -> None:
    admin.open("/admin/accounts")
    admin.fill("E-mail address or account id", person.email)
    admin.press("Search")
    admin.row("Accounts", person.email).get_by_role("link").first.click()
    admin.sees_title(person.email)


def adjust(admin: Visitor, amount: str, reason: str, direction: str = "Give to the account") -> None:
    admin.press("Adjust the balance")
    admin.choose("Direction", direction)
    admin.fill("Amount", amount)
    admin.fill("Reason", reason)
    admin.press("Adjust")


def logged(admin: Visitor, actor: Person) -> list[str]:
    """What this administrator did, newest first."""
    admin.open(f"/admin/audit?actor={actor.email}")
    actions = admin.table("Audit log").locator("tbody td[data-label=Action]").all_inner_texts()
    return [action.strip().lower() for action in actions]
