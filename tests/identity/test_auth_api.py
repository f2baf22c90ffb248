"""Signing up, in and out over HTTP, without revealing which addresses are known."""

from typing import Any

import httpx
import pytest

from multiconnection.errors import IdentityUnavailable
from multiconnection.identity.browser import ID_COOKIE, REFRESH_COOKIE
from multiconnection.identity.models import AttemptsExhausted, RequestRefused, account_id_of
from tests.support.assertions import assert_error
from tests.support.people_world import TEST_CREDIT_NANO, PeopleWorld

ADA, GRACE = "ada@example.com", "grace@example.com"
PASSWORD, NEXT_PASSWORD = "correct horse 1", "battery staple 2"


def without_chance(response: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """Everything of an answer that could differ from one address to another."""
    headers = {name: value for name, value in response.headers.items() if name != "x-request-id"}
    return response.status_code, response.content, headers


async def test_from_signing_up_to_an_account_with_its_test_credit() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        answer = await browser.post("/api/auth/sign-up", {"email": " Ada@Example.com ", "password": PASSWORD})
        assert (answer.status_code, answer.json()) == (202, {"status": "confirmation_required"})
        confirmed = await browser.post("/api/auth/confirm", {"email": ADA, "code": "123 456", "password": PASSWORD})
        assert (confirmed.status_code, confirmed.json()) == (200, {"status": "confirmed"})
        signed_in = await browser.sign_in(ADA, PASSWORD)
        account_id = account_id_of(world.cognito.people[ADA].user_id)
        assert signed_in.json() == {
            "user": {
                "email": ADA,
                "name": "",
                "account_id": account_id,
                "is_admin": False,
                "totp_enabled": False,
                "created": int(world.clock.now()),
            }
        }
        assert (await browser.get("/api/auth/session")).json() == signed_in.json()
    account = await world.account_of(ADA)
    assert (account.account_id, account.available, account.version) == (account_id, TEST_CREDIT_NANO, 2)


async def test_cookies_are_for_this_host_this_site_and_no_script() -> None:
    world = PeopleWorld()
    world.cognito.add(ADA, PASSWORD)
    async with world.browser() as browser:
        answer = await browser.sign_in(ADA, PASSWORD)
    cookies = {cookie.partition("=")[0]: cookie for cookie in answer.headers.get_list("set-cookie")}
    assert cookies.keys() == {ID_COOKIE, REFRESH_COOKIE} == {"__Host-mc_id", "__Host-mc_refresh"}
    for cookie in cookies.values():
        assert cookie.split("; ")[2:] == ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"]
        assert "domain" not in cookie.lower()
    assert cookies[ID_COOKIE].split("; ")[1] == "Max-Age=900"
    assert cookies[REFRESH_COOKIE].split("; ")[1] == "Max-Age=2592000"
    assert answer.headers["cache-control"] == "no-store"
    for secret in (browser.id_token, browser.refresh_token):
        assert secret
        assert secret not in answer.text


async def test_wrong_unknown_and_unconfirmed_are_one_answer() -> None:
    world = PeopleWorld()
    world.cognito.add(ADA, PASSWORD)
    await world.cognito.sign_up(GRACE, PASSWORD, "")
    async with world.browser() as browser:
        attempts = [(ADA, NEXT_PASSWORD), ("nobody@example.com", PASSWORD), (GRACE, PASSWORD), (GRACE, NEXT_PASSWORD)]
        answers = [await browser.sign_in(*attempt) for attempt in attempts]
        assert_error(answers[0], "sign_in_failed", 401)
        assert len({str(without_chance(answer)) for answer in answers}) == 1
        assert (browser.id_token, browser.refresh_token) == (None, None)
    assert world.driver.driver.items("balances") == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("sign-up", {"password": PASSWORD, "name": "Somebody"}),
        ("resend", {}),
        ("forgot", {}),
        ("confirm", {"code": "111111", "password": PASSWORD}),
        ("reset", {"code": "111111", "password": PASSWORD}),
    ],
)
async def test_no_answer_reveals_whether_an_address_is_known(path: str, body: dict[str, Any]) -> None:
    world = PeopleWorld()
    world.cognito.add(ADA, PASSWORD)
    await world.cognito.sign_up(GRACE, PASSWORD, "")
    world.cognito.calls.clear()
    async with world.browser() as browser:
        answers = [
            await browser.post(f"/api/auth/{path}", {"email": email} | body)
            for email in (ADA, GRACE, "nobody@example.com")
        ]
    assert len({str(without_chance(answer)) for answer in answers}) == 1
    assert answers[0].status_code in (202, 400)
    assert list(world.cognito.calls.values()) == [3], "the same work for each"


@pytest.mark.parametrize("refusal", [AttemptsExhausted(), RequestRefused()])
@pytest.mark.parametrize("path", ["forgot", "resend"])
async def test_a_provider_that_knows_the_address_and_refuses_does_not_betray_it(path: str, refusal: Exception) -> None:
    world = PeopleWorld()
    world.cognito.failure = refusal
    async with world.browser() as browser:
        assert (await browser.post(f"/api/auth/{path}", {"email": ADA})).status_code == 202


async def test_a_weak_password_is_refused_before_the_provider_is_asked() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        for path, body in (("sign-up", {}), ("confirm", {"code": "1"}), ("reset", {"code": "1"})):
            answer = await browser.post(f"/api/auth/{path}", {"email": ADA, "password": "short"} | body)
            assert assert_error(answer, "password_too_weak", 400)["param"] == "password"
    assert not world.cognito.calls


@pytest.mark.parametrize(
    "email",
    [
        *("", "ada", "ada@", "@example.com", "ada@example", "a b@example.com", "a@b@c.de", "ada@\x00e.com", 5, None),
        *(".ada@example.com", "ada.@example.com", "a..da@example.com", "ada@example..com", "ada@.example.com"),
        *(
            "ada@-example.com",
            "ada@example-.com",
            "ada@example.c",
            "ada@example.123",
            "ada@[192.0.2.1]",
            "ada@192.0.2.1",
        ),
        *("ada(x)@example.com", '"ada"@example.com', "ada,grace@example.com", "ädä@example.com", "ada@exämple.com"),
        *("ada@example.com\u200b", f"{'a' * 65}@example.com", f"ada@{'a' * 64}.com", "ada@example.com.", "<ada@e.com>"),
    ],
)
async def test_what_is_no_address_is_refused(email: Any) -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        answer = await browser.post("/api/auth/forgot", {"email": email})
    assert assert_error(answer, None, 400)["param"] == "email"
    assert not world.cognito.calls


@pytest.mark.parametrize(
    "email",
    [
        "a@b.co",
        "ada+tag@example.com",
        "o'hara_x-1@mail.example.co.uk",
        "ada@xn--exmple-cua.com",
        "ada@example.xn--p1ai",
        f"{'a' * 64}@example.com",
        " Ada@Example.COM ",
    ],
)
async def test_what_is_an_address_is_sent_to(email: str) -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        answer = await browser.post("/api/auth/sign-up", {"email": email, "password": PASSWORD})
    assert answer.status_code == 202
    assert list(world.cognito.people) == [email.strip().lower()]


async def test_a_missing_field_and_a_body_that_is_no_json() -> None:
    async with PeopleWorld().browser() as browser:
        assert_error(await browser.post("/api/auth/sign-in", {"email": ADA}), "missing_required_parameter", 400)
        headers = browser.headers | {"content-type": "application/json"}
        assert_error(await browser.http.post("/api/auth/sign-in", content="{", headers=headers), None, 400)


async def test_a_provider_that_is_down_is_503_and_no_session() -> None:
    world = PeopleWorld()
    world.cognito.add(ADA, PASSWORD)
    world.cognito.failure = IdentityUnavailable("down", retry_after_s=2)
    async with world.browser() as browser:
        answer = await browser.sign_in(ADA, PASSWORD)
        assert_error(answer, "identity_unavailable", 503)
        assert answer.headers["retry-after"] == "2"
        assert browser.id_token is None


async def test_signing_out_revokes_and_forgets() -> None:
    world = PeopleWorld()
    world.cognito.add(ADA, PASSWORD)
    async with world.browser() as browser:
        await browser.sign_in(ADA, PASSWORD)
        refresh_token = browser.refresh_token
        answer = await browser.post("/api/auth/sign-out")
        assert (answer.status_code, answer.content) == (204, b"")
        assert [cookie.split("; ")[1] for cookie in answer.headers.get_list("set-cookie")] == ["Max-Age=0"] * 2
        assert (browser.id_token, browser.refresh_token) == (None, None)
        assert_error(await browser.get("/api/auth/session"), "session_required", 401)
        browser.present(refresh_token=refresh_token)
        assert_error(await browser.get("/api/auth/session"), "session_expired", 401)


async def test_signing_out_works_without_a_session_and_without_the_provider() -> None:
    world = PeopleWorld()
    world.cognito.failure = IdentityUnavailable("down")
    async with world.browser() as browser:
        assert (await browser.post("/api/auth/sign-out")).status_code == 204
        browser.present("expired", "unknown")
        assert (await browser.post("/api/auth/sign-out")).status_code == 204
        assert browser.refresh_token is None


async def test_signing_out_everywhere_ends_every_other_browser() -> None:
    world = PeopleWorld()
    world.cognito.add(ADA, PASSWORD)
    world.cognito.add(GRACE, PASSWORD)
    async with world.browser() as one, world.browser() as two, world.browser() as other:
        await one.sign_in(ADA, PASSWORD)
        await two.sign_in(ADA, PASSWORD)
        await other.sign_in(GRACE, PASSWORD)
        assert (await one.post("/api/auth/sign-out-everywhere")).status_code == 204
        world.hand.at += 901 + 30
        assert_error(await one.get("/api/guarded"), "session_required", 401)
        assert_error(await two.get("/api/guarded"), "session_expired", 401)
        assert (await other.get("/api/guarded")).status_code == 200


async def test_a_reset_needs_the_mailed_code_and_ends_every_session() -> None:
    world = PeopleWorld()
    world.cognito.add(ADA, PASSWORD)
    async with world.browser() as thief, world.browser() as browser:
        await thief.sign_in(ADA, PASSWORD)
        await browser.post("/api/auth/forgot", {"email": ADA})
        body = {"email": ADA, "code": world.cognito.mails[-1][1], "password": NEXT_PASSWORD}
        assert_error(await browser.post("/api/auth/reset", body | {"code": "000000"}), "code_invalid", 400)
        assert (await browser.post("/api/auth/reset", body)).status_code == 200
        assert_error(await browser.post("/api/auth/reset", body), "code_invalid", 400)
        assert_error(await browser.sign_in(ADA, PASSWORD), "sign_in_failed", 401)
        assert (await browser.sign_in(ADA, NEXT_PASSWORD)).status_code == 200
        world.hand.at += 901 + 30
        assert_error(await thief.get("/api/guarded"), "session_expired", 401)


async def test_a_changed_password_ends_every_session_but_this() -> None:
    world = PeopleWorld()
    world.cognito.add(ADA, PASSWORD)
    async with world.browser() as thief, world.browser() as browser:
        await thief.sign_in(ADA, PASSWORD)
        await browser.sign_in(ADA, PASSWORD)
        wrong = await browser.post("/api/auth/change-password", {"current": "wrong one", "new": NEXT_PASSWORD})
        assert assert_error(wrong, "sign_in_failed", 401)["param"] == "current"
        weak = await browser.post("/api/auth/change-password", {"current": PASSWORD, "new": "short"})
        assert assert_error(weak, "password_too_weak", 400)["param"] == "new"
        changed = await browser.post("/api/auth/change-password", {"current": PASSWORD, "new": NEXT_PASSWORD})
        assert changed.status_code == 204
        world.hand.at += 901 + 30
        assert (await browser.get("/api/guarded")).status_code == 200
        assert_error(await thief.get("/api/guarded"), "session_expired", 401)
        assert_error(await thief.sign_in(ADA, PASSWORD), "sign_in_failed", 401)


async def test_changing_a_password_needs_a_session() -> None:
    async with PeopleWorld().browser() as browser:
        for path in ("change-password", "totp/setup", "totp/enable", "totp/disable", "sign-out-everywhere"):
            assert_error(await browser.post(f"/api/auth/{path}", {}), "session_required", 401)


async def test_an_invited_user_chooses_a_password_at_the_first_sign_in() -> None:
    world = PeopleWorld()
    world.cognito.invite(ADA, PASSWORD, groups=("admin",))
    async with world.browser() as browser:
        challenge = (await browser.sign_in(ADA, PASSWORD)).json()
        assert challenge["status"] == "new_password_required"
        assert browser.id_token is None
        body = {"session": challenge["session"], "password": "short"}
        assert_error(await browser.post("/api/auth/new-password", body), "password_too_weak", 400)
        answer = await browser.post("/api/auth/new-password", body | {"password": NEXT_PASSWORD})
        assert answer.json()["user"]["is_admin"] is True
        assert (await browser.get("/api/guarded/admin")).status_code == 200


async def test_unknown_paths_and_methods_have_our_errors() -> None:
    async with PeopleWorld().browser() as browser:
        assert_error(await browser.post("/api/auth/unknown", {}), "unknown_url", 404)
        assert_error(await browser.get("/api/auth/sign-in"), "method_not_allowed", 405)
