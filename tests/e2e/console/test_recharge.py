"""Recharge orders as their owner sees them: refused amounts, receipts, cancelled, expired."""

from playwright.sync_api import expect

from tests.e2e.console.conftest import Visitors
from tests.e2e.console.support.mailbox import Mailbox
from tests.e2e.console.support.orders import choose_receipt, drop_receipt, order, steps
from tests.e2e.console.support.people import a_user
from tests.e2e.console.support.visitor import Visitor
from tests.e2e.support.stack import LocalStack


def test_an_amount_that_would_be_refused_is_refused_beside_its_field(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Ellen"), "/console/billing/recharge")
    for amount, why in (
        ("", "Enter an amount."),
        ("12,5", "Use digits and a decimal point"),
        ("7.005", "At most 2 digits after the point."),
        ("4.99", "The smallest amount is $5.00 USD."),
        ("50000.01", "The largest amount is $50,000.00 USD."),
    ):
        visitor.fill("Amount", amount)
        visitor.press("Continue")
        expect(visitor.page.get_by_role("alert")).to_contain_text(why)
    visitor.press("$250.00")
    visitor.press("Continue")
    visitor.arrives("/console/billing/recharge?step=method")
    visitor.page.go_back()
    expect(visitor.page.get_by_label("Amount", exact=True)).to_have_value("250.00")


def test_receipts_are_dropped_or_chosen_and_only_pictures_and_pdfs(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Frances"))
    order(visitor, "75.00")
    choose_receipt(visitor, "receipt.txt", "text/plain", b"paid")
    visitor.sees("A PDF, PNG, JPEG or WebP file is needed.")
    drop_receipt(visitor)
    choose_receipt(visitor, "receipt.pdf", "application/pdf", b"%PDF-1.7\n%%EOF\n")
    visitor.sees("Received: PDF, 1 KB.")
    expect(visitor.page.get_by_text("A PDF, PNG, JPEG or WebP file is needed.")).to_have_count(0)


def test_an_order_is_cancelled_by_its_owner_and_stays_so(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Margaret"))
    reference = order(visitor, "60.00", "Enterprise contract")
    visitor.sees("Nothing has to be transferred for this order.")
    visitor.press("Cancel the order")
    expect(visitor.dialog).to_contain_text("$60.00 by Enterprise contract.")
    visitor.press("Cancel the order")
    expect(steps(visitor).last).to_contain_text("Cancelled")
    expect(visitor.page.get_by_text("Choose a file")).to_have_count(0)
    visitor.page.reload()
    expect(steps(visitor).last).to_contain_text("Cancelled")
    visitor.follow("New order")
    visitor.arrives("/console/billing/recharge")
    visitor.open("/console/billing")
    expect(visitor.row("Recharge orders", reference)).to_contain_text("Cancelled")


def test_an_order_nobody_decides_about_expires_before_its_owners_eyes(
    visitors: Visitors, hasty_stack: LocalStack
) -> None:
    person = a_user(hasty_stack, "Dorothy")
    visitor = visitors(hasty_stack)
    visitor.sign_in(person)
    reference = order(visitor, "80.00")
    visitor.sees("DE00 1234 5678")
    expect(steps(visitor).last).to_contain_text("Expired")
    expect(visitor.page.get_by_text("DE00 1234 5678")).to_have_count(0)
    Mailbox(hasty_stack).await_mail(person.email, reference, "expired")
    expect(visitor.page.get_by_role("group", name="Balance")).to_contain_text("$1.00")


def test_bank_details_that_are_not_configured_come_from_an_administrator(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Gertrude"))
    reference = order(visitor, "90.00")
    visitor.sees("Paid to", "The bank details are confirmed by an administrator")
    expect(visitor.page.get_by_role("group", name="reference")).to_have_text(reference)
