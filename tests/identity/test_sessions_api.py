"""From cookies to a session over HTTP: renewed in time, once, and never accepted without proof."""

import asyncio

import pytest

from multiconnection.errors import IdentityUnavailable
from multiconnection.identity.attempts import AttemptQuotas
from tests.support.assertions import assert_error
from tests.support.fake_cognito import ID_LIFE_S, Person
from tests.support.people_world import Browser, PeopleWorld

ADA, PASSWORD = "ada@example.com", "correct horse 1"


async def signed_in(world: PeopleWorld, browser: Browser, *groups: str) -> Person:
    person = world.cognito.add(ADA, PASSWORD, groups=groups)
    assert (await browser.sign_in(ADA, PASSWORD)).status_code == 200
    world.cognito.calls.clear()
    return person


async def test_no_cookie_no_session() -> None:
    async with PeopleWorld().browser() as browser:
        answer = await browser.get("/api/guarded")
        assert_error(answer, "session_required", 401)
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers


async def test_a_fresh_token_costs_no_call() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await signed_in(world, browser)
        answer = await browser.get("/api/guarded")
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    assert not world.cognito.calls


@pytest.mark.parametrize("age_s", [ID_LIFE_S - 59, ID_LIFE_S, ID_LIFE_S + 29, ID_LIFE_S + 31, ID_LIFE_S + 10**6])
async def test_a_token_near_its_end_or_past_it_is_renewed_on_the_same_answer(age_s: int) -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await signed_in(world, browser)
        old = browser.id_token
        world.hand.at += age_s
        answer = await browser.get("/api/guarded")
        assert answer.status_code == 200
        (cookie,) = answer.headers.get_list("set-cookie")
        assert cookie.startswith("__Host-mc_id=")
        assert browser.id_token != old
        assert (await browser.get("/api/guarded")).headers.get("set-cookie") is None
    assert world.cognito.calls["refresh"] == 1


@pytest.mark.parametrize(("path", "status"), [("/api/guarded/missing", 404), ("/api/guarded/stream", 200)])
async def test_the_renewed_cookie_survives_errors_and_streams(path: str, status: int) -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await signed_in(world, browser)
        world.hand.at += ID_LIFE_S
        answer = await browser.get(path)
        assert answer.status_code == status
        assert answer.headers["set-cookie"].startswith("__Host-mc_id=")
        assert answer.headers["cache-control"] == "no-store"


async def test_requests_that_arrive_together_renew_once() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await signed_in(world, browser)
        world.hand.at += ID_LIFE_S + 60
        world.cognito.gate = asyncio.Event()
        requests = [asyncio.ensure_future(browser.get("/api/guarded")) for _ in range(8)]
        await world.cognito.held_up.wait()
        requests[0].cancel()
        world.cognito.gate.set()
        answers = await asyncio.gather(*requests, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert [getattr(answer, "status_code", None) for answer in answers[1:]] == [200] * 7
    assert world.cognito.calls["refresh"] == 1


async def test_an_expired_token_without_a_refresh_token_is_over() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await signed_in(world, browser)
        browser.present(browser.id_token)
        world.hand.at += ID_LIFE_S + 31
        assert_error(await browser.get("/api/guarded"), "session_expired", 401)


async def test_a_revoked_refresh_token_ends_the_session_with_its_id_token() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        person = await signed_in(world, browser)
        await world.cognito.sign_out_everywhere(person.user_id)
        world.hand.at += ID_LIFE_S - 30
        assert (await browser.get("/api/guarded")).status_code == 200
        world.hand.at += 61
        assert_error(await browser.get("/api/guarded"), "session_expired", 401)


async def test_a_provider_that_is_down_ends_no_session() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await signed_in(world, browser)
        world.cognito.failure = IdentityUnavailable("down", retry_after_s=2)
        world.hand.at += ID_LIFE_S - 30
        assert (await browser.get("/api/guarded")).status_code == 200
        world.hand.at += 61
        assert_error(await browser.get("/api/guarded"), "identity_unavailable", 503)
        world.cognito.failure = None
        assert (await browser.get("/api/guarded")).status_code == 200


async def test_a_forged_token_is_no_session_and_hides_no_valid_refresh_token() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await signed_in(world, browser)
        refresh_token = browser.refresh_token
        assert browser.id_token
        forged = browser.id_token[:-8] + "AAAAAAAA"
        browser.present(forged)
        assert_error(await browser.get("/api/guarded"), "session_required", 401)
        browser.present(forged, refresh_token)
        assert (await browser.get("/api/guarded")).status_code == 200


async def test_admin_routes_are_for_the_admin_group() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await signed_in(world, browser, "operators", "administrators")
        assert_error(await browser.get("/api/guarded/admin"), "admin_forbidden", 403)
        browser.present()
        assert_error(await browser.get("/api/guarded/admin"), "session_required", 401)
        world.cognito.people[ADA].groups.append("admin")
        await browser.sign_in(ADA, PASSWORD)
        assert (await browser.get("/api/guarded/admin")).status_code == 200


async def test_a_removed_admin_is_none_after_the_token_has_ended() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        person = await signed_in(world, browser, "admin")
        person.groups.clear()
        world.hand.at += ID_LIFE_S
        assert_error(await browser.get("/api/guarded/admin"), "admin_forbidden", 403)


async def test_a_token_that_no_browser_would_keep_is_no_session() -> None:
    world = PeopleWorld()
    world.cognito.add(ADA, PASSWORD)
    world.cognito.extra_claims = {"custom:notes": "x" * 4000}
    async with world.browser() as browser:
        answer = await browser.sign_in(ADA, PASSWORD)
        assert_error(answer, "identity_unavailable", 503)
        assert answer.headers["x-should-retry"] == "false"
        assert "set-cookie" not in answer.headers


async def test_a_deleted_person_keeps_the_session_no_longer_than_the_token() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        person = await signed_in(world, browser)
        await world.cognito.sign_out_everywhere(person.user_id)
        del world.cognito.people[ADA]
        assert (await browser.get("/api/auth/session")).json()["user"]["totp_enabled"] is False
        assert (await browser.post("/api/auth/sign-out-everywhere")).status_code == 204


async def test_made_up_refresh_tokens_are_asked_about_a_few_times_for_each_address() -> None:
    world = PeopleWorld(quotas=AttemptQuotas(ip_renewals=2))
    async with world.browser() as browser:
        for number in range(2):
            browser.present(refresh_token=f"made-up-{number}")
            assert_error(await browser.get("/api/guarded"), "session_expired", 401)
        browser.present(refresh_token="made-up-2")
        error = assert_error(await browser.get("/api/guarded"), "rate_limited", 429)
        assert error["reason"] == "renewal_attempts"
        assert (await browser.post("/api/auth/sign-out")).status_code == 204
    assert (world.cognito.calls["refresh"], world.cognito.calls["revoke"]) == (2, 0)
    async with world.browser(ip="192.0.2.8") as elsewhere:
        await signed_in(world, elsewhere)
        world.hand.at += ID_LIFE_S
        assert (await elsewhere.get("/api/guarded")).status_code == 200


async def test_successful_renewals_use_nothing_up_and_a_valid_token_needs_none() -> None:
    world = PeopleWorld(quotas=AttemptQuotas(ip_renewals=1))
    async with world.browser() as browser:
        await signed_in(world, browser)
        for _ in range(3):
            world.hand.at += ID_LIFE_S
            assert (await browser.get("/api/guarded")).status_code == 200
        world.hand.at += ID_LIFE_S - 30
        good = browser.id_token
        browser.present(refresh_token="made-up")
        assert_error(await browser.get("/api/guarded"), "session_expired", 401)
        browser.present(good, refresh_token="made-up")
        assert (await browser.get("/api/guarded")).status_code == 200
    assert world.cognito.calls["refresh"] == 4
