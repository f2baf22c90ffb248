"""What may happen to a page that is open: the session ends, the line goes down, an answer fails or breaks off."""

from playwright.sync_api import Route, expect

from tests.e2e.console.support.people import a_user, demo_admin
from tests.e2e.console.support.visitor import Visitor
from tests.e2e.support.stack import LocalStack

NO_SESSION = "401 /api/account", "401 /api/balance", "401 /api/keys"


def test_a_session_that_ended_is_said_and_the_same_page_comes_back(visitor: Visitor, stack: LocalStack) -> None:
    person = a_user(stack, "Sophie")
    visitor.sign_in(person)
    visitor.context.clear_cookies()
    visitor.watch.allow(*NO_SESSION[2:])
    visitor.follow("Keys")
    visitor.sees("Your session has ended")
    visitor.press("Sign in")
    visitor.arrives("/sign-in?next=%2Fconsole%2Fkeys")
    visitor.fill_sign_in(person)
    visitor.arrives("/console/keys")
    visitor.sees("No keys yet")


def test_a_page_opened_without_a_session_asks_for_it_and_goes_on(visitor: Visitor, stack: LocalStack) -> None:
    visitor.watch.allow(*NO_SESSION[:2])
    visitor.page.goto(f"{visitor.url}/console/billing?tab=credits")
    visitor.arrives("/sign-in?next=%2Fconsole%2Fbilling%3Ftab%3Dcredits")
    visitor.fill_sign_in(a_user(stack, "Emmy"))
    visitor.arrives("/console/billing?tab=credits")
    expect(visitor.table("Credits").locator("tbody tr")).to_have_count(1)


def test_a_target_on_another_host_is_not_followed(visitor: Visitor, stack: LocalStack) -> None:
    visitor.open("/sign-in?next=//example.com/console")
    visitor.fill_sign_in(a_user(stack, "Maryam"))
    visitor.arrives("/console")


def test_offline_is_said_and_what_failed_can_be_repeated(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Hedy"), "/console/keys?new=1")
    visitor.context.set_offline(True)
    visitor.sees("What you see may be old.")
    visitor.fill("Name", "made offline")
    visitor.press("Create key")
    expect(visitor.dialog.get_by_role("alert")).to_contain_text("You are offline.")
    visitor.context.set_offline(False)
    visitor.press("Create key")
    expect(visitor.dialog).to_contain_text("Copy the key now")
    expect(visitor.page.get_by_text("What you see may be old.")).to_have_count(0)


def test_a_page_that_was_not_loaded_before_comes_with_the_line(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Ida"), "/console/keys")
    visitor.context.set_offline(True)
    visitor.follow("Billing")
    visitor.sees("This page could not be loaded.")
    visitor.context.set_offline(False)
    visitor.sees_title("Billing")
    visitor.sees("No orders yet")


def test_a_call_that_fails_says_why_and_can_be_repeated(visitor: Visitor, stack: LocalStack) -> None:
    visitor.watch.allow("502 /v1/chat/completions")
    visitor.sign_in(a_user(stack, "Chien"), "/console/playground?model=demo-error-500")
    visitor.fill("Message", "hello")
    visitor.press("Send")
    problem = visitor.page.get_by_role("alert").filter(has_text="The call failed.")
    expect(problem).to_contain_text("Request req_")
    visitor.choose("Model", "demo-chat")
    problem.get_by_role("button", name="Try again").click()
    visitor.sees("The answer is complete.")


def test_a_stopped_call_is_charged_for_what_came_and_says_so(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Lise"), "/console/playground?model=demo-slow")
    visitor.fill("Message", "one two three four five six seven")
    visitor.press("Send")
    expect(visitor.page.get_by_role("group", name="Answer")).to_contain_text("Hello")
    visitor.press("Stop")
    visitor.sees("Stopped.")
    expect(visitor.page.get_by_role("button", name="Send", exact=True)).to_be_visible()


def test_an_answer_that_breaks_off_never_looks_whole(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Rosalind"), "/console/playground?model=demo-cut")
    visitor.fill("Message", "hello")
    visitor.press("Send")
    expect(visitor.page.get_by_role("alert").filter(has_text="The call failed.")).to_be_visible()
    expect(visitor.page.get_by_text("The answer is complete.")).to_have_count(0)


def test_a_list_that_failed_once_says_so_and_is_asked_for_again(visitor: Visitor, stack: LocalStack) -> None:
    visitor.page.clock.install()
    visitor.sign_in(demo_admin(stack), "/admin/providers")
    busy = iter([True])

    def once_busy(route: Route) -> None:
        if next(busy, False):
            route.fulfill(status=503, json={"error": {"message": "Too busy.", "code": "overloaded"}})
        else:
            route.continue_()

    visitor.watch.allow("503 /api/admin/providers")
    visitor.page.route("**/api/admin/providers", once_busy)
    rows = visitor.table("Providers").locator("tbody tr")
    every = rows.count()
    visitor.page.clock.fast_forward("01:00")
    visitor.sees("This list could not be refreshed.")
    expect(rows).to_have_count(every)
    visitor.page.clock.fast_forward("01:00")
    expect(visitor.page.get_by_text("This list could not be refreshed.")).to_have_count(0)
    assert next(busy, None) is None


def test_an_address_of_nothing_is_said_and_not_a_blank_page(visitor: Visitor, stack: LocalStack) -> None:
    visitor.watch.allow("404 /api/orders/%25zz")
    visitor.sign_in(a_user(stack, "Grete"))
    visitor.open("/console/billing/orders/%zz")
    visitor.sees("This order could not be loaded.")


def test_the_focus_is_back_where_a_dialog_was_opened(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Olga"), "/console/settings")
    opener = visitor.page.get_by_role("button", name="Sign out everywhere", exact=True)
    opener.press("Enter")
    expect(visitor.dialog).to_be_visible()
    visitor.page.keyboard.press("Escape")
    expect(visitor.dialog).to_have_count(0)
    expect(opener).to_be_focused()


def test_a_dialog_offers_to_sign_in_again_when_the_session_has_ended(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Lotte"), "/console/keys?new=1")
    visitor.context.clear_cookies()
    visitor.watch.allow("401 /api/keys")
    visitor.fill("Name", "too late")
    visitor.press("Create key")
    expect(visitor.dialog.get_by_role("alert")).to_contain_text("The key was not saved.")
    visitor.follow("Sign in again")
    visitor.arrives("/sign-in?next=%2Fconsole%2Fkeys%3Fnew%3D1")


def test_a_change_without_an_answer_is_never_called_undone(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(demo_admin(stack), f"/admin/accounts/{stack.run['account_id']}")
    visitor.page.route("**/suspend", lambda route: route.abort())
    visitor.press("Suspend")
    visitor.dialog.get_by_label("Reason").fill("A walk")
    visitor.press("Suspend the account")
    problem = visitor.dialog.get_by_role("alert")
    expect(problem).to_contain_text("It is not known whether this was done")
    expect(problem).to_contain_text("Look at what is there now before you repeat it.")
    expect(visitor.page.get_by_text("Nothing was changed.")).to_have_count(0)


def test_the_skip_link_leads_into_the_page(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Vigdis"), "/console/keys")
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator("main")).to_be_focused()
    visitor.sees_title("Keys")


def test_an_address_that_does_not_exist_has_a_title_of_its_own(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Nadia"))
    visitor.open("/console/no-such-page")
    visitor.sees_title("Not found")
    expect(visitor.page).to_have_title("Not found · MultiConnection")


def test_a_call_that_costs_too_much_is_refused_in_the_words_of_the_page(visitor: Visitor, stack: LocalStack) -> None:
    visitor.watch.allow("402 /v1/chat/completions")
    visitor.sign_in(a_user(stack, "Barbara"), "/console/playground?model=deepseek-v4-pro")
    visitor.fill("Message", "hello")
    visitor.fill("Longest answer, tokens", "393216")
    visitor.press("Send")
    problem = visitor.page.get_by_role("alert").filter(has_text="Your balance is too low for this call")
    expect(problem).to_contain_text("This call can cost up to $1.56, and $1.00 is available.")
    expect(problem).not_to_contain_text("`")
    facts = visitor.page.locator(".answer-facts")
    expect(facts).to_contain_text("req_")
    expect(facts.get_by_role("link")).to_have_count(0)
    problem.get_by_role("link", name="Add funds").click()
    visitor.sees_title("Add funds")
