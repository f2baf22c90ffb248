"""Recharge orders between their owner and an administrator, each at a browser: approved, rejected, decided twice."""

from playwright.sync_api import expect

from tests.e2e.console.conftest import Visitors
from tests.e2e.console.support.mailbox import Mailbox
from tests.e2e.console.support.orders import drop_receipt, order, steps
from tests.e2e.console.support.people import a_user, demo_admin
from tests.e2e.console.support.visitor import Visitor
from tests.e2e.support.stack import LocalStack


def test_an_approved_order_is_credited_before_its_owners_eyes(
    visitors: Visitors, mailbox: Mailbox, stack: LocalStack
) -> None:
    person, approver = a_user(stack, "Vera"), demo_admin(stack)
    owner, admin = visitors(), visitors()
    owner.sign_in(person)
    reference = order(owner, "250.00")
    drop_receipt(owner)
    expect(owner.page.get_by_role("group", name="Balance")).to_contain_text("$1.00")
    mailbox.await_mail(approver.email, reference, "250.00")

    admin.sign_in(approver, "/admin/orders")
    open_order(admin, reference)
    expect(admin.page.get_by_role("img", name=f"Receipt of order {reference}")).to_be_visible()
    expect(admin.page.get_by_role("region", name="Account")).to_contain_text(person.email)
    admin.press("Approve")
    expect(admin.dialog).to_contain_text("$250.00")
    expect(admin.dialog).to_contain_text(person.email)
    approve = admin.dialog.get_by_role("button", name="Approve $250.00")
    expect(approve).to_have_attribute("aria-disabled", "true")
    admin.dialog.get_by_role("checkbox").check()
    admin.dialog.get_by_label("Note (optional)").fill("Arrived on Monday")
    approve.click()
    admin.sees("$250.000000000 were added to the balance.")

    # Nobody has touched this page meanwhile.
    expect(owner.page.get_by_role("group", name="Balance")).to_contain_text("$251.00")
    expect(steps(owner)).to_have_count(4)
    expect(steps(owner).last).to_contain_text("Credited")
    owner.sees("$250.000000000 were added to your balance.")
    printed_without_what_can_be_pressed(owner)
    mailbox.await_mail(person.email, reference, "250")
    owner.open("/console/billing?tab=credits")
    expect(owner.table("Credits").locator("tbody tr")).to_have_count(2)
    expect(owner.row("Credits", "Recharge")).to_contain_text("$250.00")


def test_a_rejected_order_says_why(visitors: Visitors, mailbox: Mailbox, stack: LocalStack) -> None:
    person = a_user(stack, "Lillian")
    owner, admin = visitors(), visitors()
    owner.sign_in(person)
    reference = order(owner, "120.00")
    admin.sign_in(demo_admin(stack), "/admin/orders")
    open_order(admin, reference)
    admin.press("Reject")
    admin.press("Reject $120.00")
    admin.sees("Say why: it is kept with the decision.")
    admin.dialog.get_by_label("Reason").fill("No such transfer has arrived")
    admin.press("Reject $120.00")
    expect(admin.page.get_by_role("region", name="Decision")).to_contain_text("Rejected")

    expect(steps(owner).last).to_contain_text("Rejected")
    expect(steps(owner).last).to_contain_text("No such transfer has arrived")
    expect(owner.page.get_by_role("group", name="Balance")).to_contain_text("$1.00")
    mailbox.await_mail(person.email, reference, "No such transfer has arrived")


def test_a_second_administrator_who_is_late_sees_what_happened(visitors: Visitors, stack: LocalStack) -> None:
    owner, first, second = visitors(), visitors(), visitors()
    owner.sign_in(a_user(stack, "Joan"))
    reference = order(owner, "40.00")
    first.sign_in(demo_admin(stack), "/admin/orders")
    second.sign_in(a_user(stack, "Late", admin=True), "/admin/orders")
    for admin in (first, second):
        open_order(admin, reference)
    second.press("Reject")
    second.dialog.get_by_label("Reason").fill("Too slow")
    approve(first)

    second.watch.allow(f"409 {api_path(second)}/reject")
    second.press("Reject $40.00")
    late = second.page.get_by_role("alert").filter(has_text="Somebody was faster")
    expect(late).to_contain_text(demo_admin(stack).email)
    expect(late).to_contain_text("Your decision changed nothing.")
    expect(second.page.get_by_role("region", name="Decision")).to_contain_text("Credited")
    expect(owner.page.get_by_role("group", name="Balance")).to_contain_text("$41.00")


def test_nobody_decides_about_an_order_of_his_own(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Selfless", admin=True))
    reference = order(visitor, "30.00")
    visitor.open("/admin/orders")
    open_order(visitor, reference)
    visitor.sees("This order is your own")
    expect(visitor.page.get_by_role("button", name="Approve")).to_have_count(0)


def test_who_is_no_administrator_is_told_so(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Curious"))
    visitor.open("/admin/orders")
    visitor.sees_title("Administrators only")


def printed_without_what_can_be_pressed(owner: Visitor) -> None:
    button = owner.page.get_by_role("button", name="Print", exact=True)
    expect(button).to_be_visible()
    owner.page.emulate_media(media="print")
    expect(button).to_be_hidden()
    expect(owner.page.locator(".rail")).to_be_hidden()
    expect(owner.page.get_by_role("region", name="Details")).to_contain_text("$250.00")
    owner.page.emulate_media(media="screen")


def open_order(admin: Visitor, reference: str) -> None:
    row = admin.row("Orders", reference)
    expect(row).to_have_count(1)
    row.get_by_role("link", name=reference).click()
    admin.sees_title(f"Order {reference}")


def approve(admin: Visitor) -> None:
    admin.press("Approve")
    admin.dialog.get_by_role("checkbox").check()
    admin.dialog.get_by_role("button", name="Approve").click()
    admin.sees("were added to the balance.")


def api_path(admin: Visitor) -> str:
    return "/api" + admin.path
