"""People at the local stack: the printed user and admin, mails, a recharge through the real workflow, a restart."""

import time
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.e2e.support.customers import Customer, demo_customer
from tests.e2e.support.people import PASSWORD, Visitor, demo_admin, demo_user, mailed, new_person
from tests.e2e.support.stack import LocalStack
from tests.e2e.support.waiting import until
from tests.support.totp import other_code, totp_code

WORKFLOW_S = 30.0
COOKIES = {"__Host-mc_id", "__Host-mc_refresh"}


def order(person: Visitor, token: str) -> str:
    """The id of a new order of 100 USD that waits for a decision."""
    made = person.post("/api/orders", amount="100.00", currency="USD", method="bank_transfer", client_token=token)
    order_id = str(made["id"])
    reached(person, order_id, "in_review")
    return order_id


def reached(person: Visitor, order_id: str, status: str) -> None:
    until(lambda: person.get(f"/api/orders/{order_id}")["status"] == status, WORKFLOW_S, f"the order is {status}")


def test_the_printed_user_owns_the_printed_key(stack: LocalStack, demo: Customer) -> None:
    user = demo_user(stack)
    account = user.get("/api/account")
    assert (account["account_id"], account["email"]) == (demo.account_id, stack.run["demo_user"]["email"])
    assert user.cookies.keys() == COOKIES
    assert demo.api_key[-4:] == user.get("/api/keys")["data"][-1]["last4"][-4:]
    answer = demo.chat()
    request_id = answer.headers["x-request-id"]
    until(lambda: request_id in user.request("GET", "/api/usage").text, WORKFLOW_S, "the call is in the console")
    assert user.get("/api/balance")["available"] == demo.balance()["available"]


def test_the_printed_admin_is_one_and_the_user_is_none(stack: LocalStack) -> None:
    assert demo_admin(stack).get("/api/admin/orders")["object"] == "list"
    refused = demo_user(stack).request("GET", "/api/admin/orders")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "admin_forbidden")


def test_a_second_step_belongs_to_the_first(stack: LocalStack) -> None:
    """With the local identity provider, which looks at no session of a challenge."""
    admin, (person, email) = stack.run["demo_admin"], new_person(stack)
    secret = person.post("/api/auth/totp/setup")["secret"]
    person.post("/api/auth/totp/enable", code=totp_code(secret, time.time()))
    session = Visitor(stack).post("/api/auth/sign-in", email=email, password=PASSWORD)["session"]
    thief, stolen = Visitor(stack), {"password": "stolen horse 1"}
    for wrong in ("x", session[:-4], session[1:], session.swapcase()):
        body = {"email": admin["email"], "session": wrong, "code": "123456"}
        assert_over(thief.request("POST", "/api/auth/totp", json=body))
        assert_over(thief.request("POST", "/api/auth/new-password", json=body | stolen))
    assert_over(thief.request("POST", "/api/auth/new-password", json={"session": session} | stolen))
    code = totp_code(secret, time.time())
    wrong_code = thief.request("POST", "/api/auth/totp", json={"session": session, "code": other_code(code)})
    assert (wrong_code.status_code, wrong_code.json()["error"]["code"]) == (400, "code_invalid")
    assert not thief.cookies
    answer = Visitor(stack).post("/api/auth/totp", session=session, code=code, email=admin["email"])
    assert (answer["user"]["email"], answer["user"]["is_admin"]) == (email, False)
    assert_over(thief.request("POST", "/api/auth/totp", json={"session": session, "code": code}))
    assert demo_admin(stack).get("/api/account")["email"] == admin["email"], "the password is what it was"


def test_an_operator_can_grant_each_test_credit_by_hand(tmp_path: Path) -> None:
    with LocalStack(tmp_path / "local", {"TEST_CREDIT_MODE": "approval"}) as stack:
        (person, _), admin = new_person(stack), demo_admin(stack)
        account = person.get("/api/account")
        assert (account["test_credit"], person.get("/api/balance")["available"]) == ("awaiting_approval", "0.000000000")
        waiting = [each["id"] for each in admin.get("/api/admin/accounts", awaiting="true")["data"]]
        assert account["account_id"] in waiting
        for _ in range(2):
            granted = admin.post(f"/api/admin/accounts/{account['account_id']}/test-credit", reason="a customer")
            assert (granted["available"], granted["test_credit"]) == ("1.000000000", None)
        assert person.get("/api/account")["test_credit"] is None
        actions = [entry["action"] for entry in admin.get("/api/admin/audit")["data"]]
        assert actions == ["account.test_credit"]
        stack.assert_books_are_right()


def assert_over(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "sign_in_failed")


@pytest.mark.parametrize(
    ("path", "status", "contains"),
    [
        ("/", 200, "<!doctype html>"),
        ("/console", 200, "<!doctype html>"),
        ("/console/keys", 200, "<!doctype html>"),
        ("/admin", 200, "<!doctype html>"),
        ("/nowhere", 404, "<!doctype html>"),
        ("/openapi.json", 200, '"openapi"'),
    ],
)
def test_pages_are_served_beside_the_api(stack: LocalStack, path: str, status: int, contains: str) -> None:
    answer = Visitor(stack).request("GET", path)
    assert (answer.status_code, contains in answer.text) == (status, True)


def test_somebody_signs_up_with_the_code_from_the_mail_page(stack: LocalStack) -> None:
    person, email = new_person(stack)
    assert person.get("/api/balance")["available"] == "1.000000000"
    person.post("/api/auth/forgot", email=email)
    reset = {"email": email, "password": f"{PASSWORD} 2"}
    wrong = person.request("POST", "/api/auth/reset", json=reset | {"code": "000000"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "code_invalid")
    person.post("/api/auth/reset", **reset, code=mailed(stack, email)["code"])
    assert person.sign_in(email, f"{PASSWORD} 2")["email"] == email


def test_people_can_read_the_mail_page(stack: LocalStack) -> None:
    _, email = new_person(stack)
    page = stack.http.get(stack.run["mail_url"])
    assert (page.headers["content-type"], email in page.text) == ("text/html; charset=utf-8", True)


def test_an_order_is_approved_credited_and_told_by_mail(stack: LocalStack) -> None:
    (person, email), admin = new_person(stack), demo_admin(stack)
    before = Decimal(person.get("/api/balance")["available"])
    order_id = order(person, "approved-order")
    reference = person.get(f"/api/orders/{order_id}")["reference"]
    assert email in mailed(stack, stack.run["demo_admin"]["email"], reference)["text"]
    account_id = person.get("/api/account")["account_id"]
    admin.post(f"/api/admin/orders/{order_id}/approve", amount="100.00", account_id=account_id)
    reached(person, order_id, "credited")
    assert Decimal(person.get("/api/balance")["available"]) == before + 100
    assert "credited" in mailed(stack, email, reference)["subject"]
    stack.assert_books_are_right()


def test_a_rejected_order_says_why_and_moves_no_money(stack: LocalStack) -> None:
    (person, email), admin = new_person(stack), demo_admin(stack)
    order_id = order(person, "rejected-order")
    admin.post(f"/api/admin/orders/{order_id}/reject", reason="nothing arrived")
    assert "nothing arrived" in mailed(stack, email, "rejected")["text"]
    assert person.get(f"/api/orders/{order_id}")["status"] == "rejected"
    assert person.get("/api/balance")["available"] == "1.000000000"


def test_an_order_outlives_the_workers_process(stack: LocalStack) -> None:
    person, _ = new_person(stack)
    stack.process("local.workers").kill()
    order_id = order(person, "order-after-death")
    person.post(f"/api/orders/{order_id}/cancel")
    reached(person, order_id, "cancelled")
    assert stack.process("local.workers").is_running()


def test_an_order_expires_after_the_configured_time(tmp_path: Path) -> None:
    """One variable is the order's lifetime in the functions and in the state machine."""
    with LocalStack(tmp_path / "local", {"ORDER_TTL_S": "3"}) as stack:
        person, email = new_person(stack)
        order_id = order(person, "expiring-order")
        reached(person, order_id, "expired")
        assert "expired" in mailed(stack, email, "expired")["text"]


def test_people_sessions_and_orders_survive_a_restart(tmp_path: Path) -> None:
    with LocalStack(tmp_path / "local") as first:
        person, email = new_person(first)
        order_id = order(person, "kept-order")
        kept = {name: first.run[name] for name in ("demo_user", "demo_admin", "account_id", "api_key")}
    with LocalStack(tmp_path / "local") as second:
        assert {name: second.run[name] for name in kept} == kept
        assert demo_user(second).get("/api/account")["account_id"] == demo_customer(second).account_id
        returned = Visitor(second, person.cookies)
        assert returned.get("/api/account")["email"] == email
        assert returned.get(f"/api/orders/{order_id}")["status"] == "in_review"
        returned.post(f"/api/orders/{order_id}/cancel")
        assert Visitor(second).sign_in(email, PASSWORD)["email"] == email
        second.assert_books_are_right()
