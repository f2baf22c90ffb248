"""The second factor over HTTP: set up, asked for, switched off."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.assertions import assert_error
from tests.support.people_world import Browser, PeopleWorld
from tests.support.totp import other_code, totp_code

ADA, PASSWORD = "ada@example.com", "correct horse 1"


def code(world: PeopleWorld, secret: str) -> str:
    return totp_code(secret, world.clock.now())


async def enable(world: PeopleWorld, browser: Browser) -> str:
    world.cognito.add(ADA, PASSWORD)
    await browser.sign_in(ADA, PASSWORD)
    found = (await browser.post("/api/auth/totp/setup")).json()
    assert (await browser.post("/api/auth/totp/enable", {"code": code(world, found["secret"])})).status_code == 204
    return str(found["secret"])


async def test_the_secret_comes_as_a_url_for_authenticator_apps() -> None:
    world = PeopleWorld()
    world.cognito.add(ADA, PASSWORD)
    async with world.browser() as browser:
        await browser.sign_in(ADA, PASSWORD)
        found = (await browser.post("/api/auth/totp/setup")).json()
    url = urlsplit(found["otpauth_url"])
    assert (url.scheme, url.netloc, url.path) == ("otpauth", "totp", "/MultiConnection%3Aada%40example.com")
    assert parse_qs(url.query) == {"secret": [found["secret"]], "issuer": ["MultiConnection"]}


async def test_it_is_asked_for_once_it_is_enabled_and_no_sooner() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        world.cognito.add(ADA, PASSWORD)
        await browser.sign_in(ADA, PASSWORD)
        secret = (await browser.post("/api/auth/totp/setup")).json()["secret"]
        wrong = other_code(code(world, secret))
        assert_error(await browser.post("/api/auth/totp/enable", {"code": wrong}), "code_invalid", 400)
        assert "user" in (await browser.sign_in(ADA, PASSWORD)).json()
        await browser.post("/api/auth/totp/enable", {"code": code(world, secret)})
        assert (await browser.get("/api/auth/session")).json()["user"]["totp_enabled"] is True
        browser.present()
        challenge = (await browser.sign_in(ADA, PASSWORD)).json()
        assert challenge["status"] == "totp_required"
        assert browser.id_token is None
        answer = {"session": challenge["session"]}
        assert_error(await browser.post("/api/auth/totp", answer | {"code": wrong}), "code_invalid", 400)
        signed_in = await browser.post("/api/auth/totp", answer | {"code": code(world, secret)})
        assert signed_in.json()["user"]["totp_enabled"] is True
        assert (await browser.get("/api/guarded")).status_code == 200


async def test_an_invented_challenge_is_over() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        secret = await enable(world, browser)
        body = {"session": "invented", "code": code(world, secret)}
        assert_error(await browser.post("/api/auth/totp", body), "sign_in_failed", 401)


async def test_it_is_switched_off_by_a_code_or_the_password() -> None:
    for by_password in (True, False):
        world = PeopleWorld()
        async with world.browser() as browser:
            secret = await enable(world, browser)
            wrong = {"password": "not this one"} if by_password else {"code": other_code(code(world, secret))}
            right = {"password": PASSWORD} if by_password else {"code": code(world, secret)}
            refused = await browser.post("/api/auth/totp/disable", wrong)
            assert refused.json()["error"]["code"] == ("sign_in_failed" if by_password else "code_invalid")
            assert world.cognito.people[ADA].totp_enabled
            assert (await browser.post("/api/auth/totp/disable", right)).status_code == 204
            assert "user" in (await browser.sign_in(ADA, PASSWORD)).json()


async def test_switching_it_off_needs_a_proof() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await enable(world, browser)
        assert_error(await browser.post("/api/auth/totp/disable", {}), "missing_required_parameter", 400)
        assert world.cognito.people[ADA].totp_enabled


async def test_with_a_second_factor_a_new_password_ends_this_session_too() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await enable(world, browser)
        changed = await browser.post("/api/auth/change-password", {"current": PASSWORD, "new": "battery staple 2"})
        assert changed.status_code == 204
        assert_error(await browser.get("/api/guarded"), "session_required", 401)


async def test_a_factor_in_force_is_not_replaced_by_the_holder_of_a_session() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        secret = await enable(world, browser)
        assert_error(await browser.post("/api/auth/totp/setup"), None, 400)
        # A secret from before the owner's came into force is no use either.
        person = world.cognito.people[ADA]
        person.new_secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
        theirs = {"code": code(world, person.new_secret)}
        assert_error(await browser.post("/api/auth/totp/enable", theirs), None, 400)
        assert (person.totp_secret, person.totp_enabled) == (secret, True)
        person.new_secret = None
        assert (await browser.post("/api/auth/totp/disable", {"code": code(world, secret)})).status_code == 204
        assert (await browser.post("/api/auth/totp/setup")).status_code == 200


@pytest.mark.parametrize("path", ["totp", "totp/enable", "totp/disable"])
async def test_codes_are_limited(path: str) -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        secret = await enable(world, browser)
        challenge = (await browser.sign_in(ADA, PASSWORD)).json()["session"]
        # Codes are asked for while one is in force, or to bring the first one into force.
        world.cognito.people[ADA].totp_enabled = path != "totp/enable"
        wrong = other_code(code(world, secret))
        body = {"session": challenge, "code": wrong}
        statuses = [(await browser.post(f"/api/auth/{path}", body)).status_code for _ in range(11)]
        assert statuses == [400] * 10 + [429]
        refused = await browser.post(f"/api/auth/{path}", body | {"code": code(world, secret)})
        assert assert_error(refused, "rate_limited", 429)["reason"] == "code_attempts"
