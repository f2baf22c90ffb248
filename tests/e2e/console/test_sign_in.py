"""Ways in and out: a forgotten password, a second factor, signing out here and everywhere."""

import time

from playwright.sync_api import expect

from tests.e2e.console.conftest import Visitors
from tests.e2e.console.support.mailbox import Mailbox
from tests.e2e.console.support.people import Person, a_stranger, a_user
from tests.e2e.console.support.visitor import Visitor
from tests.e2e.support.stack import LocalStack
from tests.support.totp import totp_code

REFUSED = "401 /api/auth/sign-in"


def test_a_forgotten_password_is_replaced_with_a_code_from_the_mail(
    visitor: Visitor, mailbox: Mailbox, stack: LocalStack
) -> None:
    person = a_user(stack, "Grace")
    visitor.open("/sign-in")
    visitor.follow("Forgot your password?")
    visitor.fill("E-mail address", person.email)
    visitor.press("Send the code")
    visitor.arrives("/reset")
    visitor.fill("Code", mailbox.code(person.email))
    visitor.fill("Password", "a wholly new password")
    visitor.press("Set the password")
    visitor.arrives("/sign-in?reset=1")
    visitor.sees("Your password is set.")

    visitor.watch.allow(REFUSED)
    visitor.fill_sign_in(person)
    expect(visitor.page.get_by_role("alert").filter(visible=True)).to_contain_text("request req_")
    visitor.fill_sign_in(Person(person.name, person.email, "a wholly new password"))
    visitor.arrives("/console")


def test_a_code_is_confirmed_in_another_tab_with_the_password(
    visitor: Visitor, mailbox: Mailbox, stack: LocalStack
) -> None:
    person = a_stranger("Edith")
    visitor.open("/sign-up")
    visitor.fill("E-mail address", person.email)
    visitor.fill("Password", "another one by mistake")
    visitor.press("Create account")
    visitor.arrives("/verify")
    visitor.page.go_back()
    visitor.arrives("/sign-up")
    expect(visitor.page.get_by_role("button", name="Create account")).to_be_visible()

    visitor.open("/verify")
    expect(visitor.page.get_by_label("E-mail address", exact=True)).to_have_value(person.email)
    visitor.fill("Code", mailbox.code(person.email))
    visitor.press("Confirm")
    expect(visitor.page.get_by_label("Password", exact=True)).to_be_focused()
    visitor.fill("Password", person.password)
    visitor.press("Confirm")
    visitor.arrives("/sign-in?confirmed=1")
    visitor.fill_sign_in(person)
    visitor.arrives("/console")


def test_a_sign_in_that_is_over_begins_again(visitor: Visitor, stack: LocalStack) -> None:
    person = a_user(stack, "Mary")
    visitor.sign_in(person, "/console/settings")
    set_up_totp(visitor)
    sign_out(visitor)
    visitor.open("/sign-in?next=/console/settings")
    visitor.fill_sign_in(person)
    code = visitor.page.get_by_label("Code from your authenticator app")
    expect(code).to_be_focused()
    # A challenge is good for a few minutes: one that is over looks like one that nobody has sealed.
    over = {"session": "over", "code": "000000"}
    visitor.page.route("**/api/auth/totp", lambda route: route.continue_(post_data=over))
    visitor.fill("Code from your authenticator app", "000000")
    visitor.watch.allow("401 /api/auth/totp")
    visitor.press("Sign in")
    visitor.sees("This sign-in is over. Please begin again.")
    expect(code).to_be_hidden()
    visitor.page.unroute("**/api/auth/totp")
    visitor.fill_sign_in(person)
    expect(code).to_be_focused()


def test_a_sign_out_that_fails_says_so(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Annie"), "/console/settings")
    visitor.watch.allow("503 /api/auth/sign-out")
    visitor.page.route("**/api/auth/sign-out", lambda route: route.fulfill(status=503, body="{}"))
    visitor.page.get_by_label("Account", exact=True).click()
    visitor.press("Sign out")
    visitor.sees("You are still signed in.")
    assert visitor.path == "/console/settings"
    visitor.page.unroute("**/api/auth/sign-out")
    visitor.press("Sign out")
    visitor.arrives("/")


def test_a_new_password_is_refused_beside_its_field_and_the_old_one_ends(visitor: Visitor, stack: LocalStack) -> None:
    person = a_user(stack, "Barbara")
    visitor.sign_in(person, "/console/settings")
    visitor.fill("Current password", person.password)
    visitor.fill("New password", "aaaaaaaaaaaa")
    visitor.watch.allow("400 /api/auth/change-password")
    visitor.press("Change the password")
    visitor.sees("Use at least 5 different characters in the password.")
    expect(visitor.page.get_by_label("New password")).to_be_focused()
    visitor.fill("New password", "a better password")
    visitor.press("Change the password")
    visitor.sees("The password is changed.")

    sign_out(visitor)
    visitor.open("/sign-in")
    password = visitor.page.get_by_label("Password", exact=True)
    for checked, kind in ((True, "text"), (False, "password")):
        visitor.page.get_by_label("Show the password").set_checked(checked)
        expect(password).to_have_attribute("type", kind)
    visitor.fill_sign_in(Person(person.name, person.email, "a better password"))
    visitor.arrives("/console")


def test_a_second_factor_is_set_up_asked_for_and_switched_off(visitor: Visitor, stack: LocalStack) -> None:
    person = a_user(stack, "Radia")
    visitor.sign_in(person, "/console/settings")
    secret = set_up_totp(visitor)
    sign_out(visitor)

    visitor.watch.allow("400 /api/auth/totp")
    visitor.open("/sign-in?next=/console/settings")
    visitor.fill_sign_in(person)
    visitor.fill("Code from your authenticator app", "000000")
    visitor.press("Sign in")
    expect(visitor.page.get_by_role("alert").filter(visible=True)).not_to_be_empty()
    visitor.fill("Code from your authenticator app", totp_code(secret, time.time()))
    visitor.press("Sign in")
    visitor.arrives("/console/settings")

    visitor.press("Switch off")
    visitor.fill("Code from the app", totp_code(secret, time.time()))
    visitor.press("Switch off")
    expect(visitor.page.get_by_role("button", name="Set up", exact=True)).to_be_visible()

    set_up_totp(visitor)
    visitor.press("Switch off")
    visitor.press("Switch off")
    visitor.sees("The six digits that the app shows, or your password below.")
    visitor.fill("Or your password", person.password)
    visitor.press("Switch off")
    expect(visitor.page.get_by_role("button", name="Set up", exact=True)).to_be_visible()


def test_signing_out_everywhere_ends_every_other_browser(visitors: Visitors, stack: LocalStack) -> None:
    person = a_user(stack, "Katherine")
    here, there = visitors(), visitors()
    here.sign_in(person, "/console/settings")
    there.sign_in(person, "/console/keys")
    here.press("Sign out everywhere")
    here.press("Sign out everywhere")
    here.arrives("/sign-in")

    # What is left there is the short proof of who signed in; without it only the ended session could give another.
    there.context.clear_cookies(name="__Host-mc_id")
    there.watch.allow("401 /api/account", "401 /api/balance")
    there.open("/console/keys")
    there.arrives("/sign-in?next=%2Fconsole%2Fkeys")


def set_up_totp(visitor: Visitor) -> str:
    """The secret."""
    visitor.press("Set up")
    secret = visitor.page.get_by_role("group", name="setup key").inner_text()
    visitor.fill("Code from the app", totp_code(secret, time.time()))
    visitor.press("Switch on")
    expect(visitor.page.get_by_role("button", name="Switch off")).to_be_visible()
    return secret


def sign_out(visitor: Visitor) -> None:
    visitor.page.get_by_label("Account", exact=True).click()
    visitor.press("Sign out")
    visitor.arrives("/")
