"""A stranger signs up, makes a key, and sees the first call and what it cost."""

from decimal import Decimal

from playwright.sync_api import expect

from tests.e2e.console.support.mailbox import Mailbox
from tests.e2e.console.support.people import Person, a_stranger
from tests.e2e.console.support.visitor import Visitor
from tests.e2e.support.customers import Customer
from tests.e2e.support.stack import LocalStack

SAID = "Hello from the demo model! You said: one two three"


def test_from_sign_up_to_the_first_call_in_the_usage(visitor: Visitor, mailbox: Mailbox, stack: LocalStack) -> None:
    ada = a_stranger("Ada")
    sign_up(visitor, mailbox, ada)
    visitor.sees("First steps", "Create an API key, to do", "Make your first call, to do")

    secret = make_first_key(visitor)
    assert Customer(stack, "", secret).get("/models").status_code == 200
    visitor.follow("Overview")
    visitor.sees("Create an API key, done", "Make your first call, to do")

    visitor.follow("Open the playground")
    request_id, cost = ask(visitor, "one two three")
    visitor.follow("Overview")
    expect(visitor.page.get_by_text("First steps")).to_have_count(0)
    expect(visitor.table("Latest calls").locator("tbody tr")).to_have_count(1)

    look_at_the_call(visitor, request_id, cost)


def sign_up(visitor: Visitor, mailbox: Mailbox, person: Person) -> None:
    """From the homepage to the console, with the code that came by mail."""
    visitor.open("/")
    visitor.follow("Create an account")
    visitor.fill("Name (optional)", person.name)
    visitor.fill("E-mail address", person.email)
    visitor.fill("Password", person.password)
    visitor.press("Create account")
    visitor.arrives("/verify")
    expect(visitor.page.get_by_label("Password", exact=True)).to_have_value(person.password)
    visitor.fill("Code", mailbox.code(person.email))
    visitor.press("Confirm")
    visitor.arrives("/sign-in?confirmed=1")
    visitor.sees("Your address is confirmed.")
    visitor.fill_sign_in(person)
    visitor.arrives("/console")
    expect(visitor.page.get_by_role("group", name="Balance")).to_contain_text("$1.00")


def make_first_key(visitor: Visitor) -> str:
    """Shown once: copied, confirmed as saved, and afterwards only its end can be seen."""
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.follow("Create a key")
    visitor.fill("Name", "laptop")
    visitor.press("Create key")
    secret = visitor.dialog.get_by_role("group", name="key laptop").inner_text()
    visitor.press("Copy key laptop")
    expect(visitor.dialog.get_by_role("button", name="Copy key laptop")).to_have_text("Copied")
    assert visitor.page.evaluate("navigator.clipboard.readText()") == secret
    expect(visitor.dialog.get_by_role("tabpanel")).to_contain_text(f"Bearer {secret}")
    visitor.page.keyboard.press("Escape")
    expect(visitor.dialog.get_by_role("button", name="Done")).to_have_attribute("aria-disabled", "true")
    visitor.dialog.get_by_label("I have saved it").check()
    visitor.press("Done")
    expect(visitor.row("API keys", "laptop")).to_contain_text(f"…{secret[-4:]}")
    assert secret not in visitor.page.content()
    return secret


def ask(visitor: Visitor, text: str) -> tuple[str, Decimal]:
    """A streamed call on the playground; its request id, and its cost."""
    visitor.fill("Message", text)
    visitor.press("Send")
    visitor.sees("The answer is complete.")
    expect(visitor.page.get_by_role("group", name="Answer")).to_have_text(SAID)
    facts = visitor.page.locator(".answer-facts")
    expect(facts).to_contain_text("$0.0000")
    expect(facts).to_contain_text("ms")
    cost = facts.locator("div", has_text="Cost").locator("dd").inner_text()
    return facts.get_by_role("link").inner_text(), Decimal(cost.removeprefix("$"))


def look_at_the_call(visitor: Visitor, request_id: str, cost: Decimal) -> None:
    """The usage row, and in its drawer quantity times price line by line."""
    visitor.follow("Usage")
    expect(visitor.row("Calls", "deepseek-v4-flash")).to_have_count(1)
    visitor.row("Calls", "deepseek-v4-flash").get_by_role("link").click()
    visitor.is_at(f"/console/usage?call={request_id}")
    expect(visitor.dialog.get_by_role("group", name="request id")).to_have_text(request_id)
    expect(visitor.dialog.locator("tfoot")).to_contain_text(f"${cost}")
    amounts = visitor.dialog.locator("tbody td:last-child").all_inner_texts()
    assert sum(Decimal(amount.removeprefix("$")) for amount in amounts) == cost > 0
    expect(visitor.dialog).to_contain_text("Input tokens")
    expect(visitor.dialog).to_contain_text("Output tokens")
    visitor.press("Close")
    visitor.is_at("/console/usage")
