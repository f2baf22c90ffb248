"""An address belongs to the user who receives its code, not to the first one who signs up with it."""

from multiconnection.errors import IdentityUnavailable
from multiconnection.identity.models import CredentialsRefused
from tests.support.assertions import assert_error
from tests.support.people_world import Browser, PeopleWorld

ADA, CODE = "ada@example.com", "123456"
PASSWORD, THEIRS = "correct horse 1", "battery staple 2"


async def confirm(browser: Browser, password: str = PASSWORD) -> int:
    body = {"email": ADA, "code": CODE, "password": password}
    return (await browser.post("/api/auth/confirm", body)).status_code


async def test_a_stranger_who_signed_up_with_an_address_first_does_not_get_in() -> None:
    world = PeopleWorld()
    async with world.browser() as stranger, world.browser() as owner:
        await stranger.post("/api/auth/sign-up", {"email": ADA, "password": THEIRS})
        await owner.post("/api/auth/sign-up", {"email": ADA, "password": PASSWORD})
        assert await confirm(owner) == 200
        assert_error(await stranger.sign_in(ADA, THEIRS), "sign_in_failed", 401)
        assert (await owner.sign_in(ADA, PASSWORD)).status_code == 200


async def test_a_password_that_was_typed_before_the_code_came_is_never_set() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        for email in (ADA, "grace@example.com"):
            await browser.post("/api/auth/sign-up", {"email": email, "password": PASSWORD})
    kept = {person.password for person in world.cognito.people.values()}
    assert len(kept) == 2
    assert all(len(password) >= 40 for password in kept)


async def test_a_weak_password_leaves_the_code_good() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await browser.post("/api/auth/sign-up", {"email": ADA, "password": PASSWORD})
        assert await confirm(browser, "short") == 400
        assert await confirm(browser) == 200


async def test_sessions_of_before_end_with_the_confirmation() -> None:
    world = PeopleWorld()
    await world.cognito.sign_up(ADA, THEIRS, "")
    refresh_token = world.cognito.issue(world.cognito.people[ADA]).refresh_token
    async with world.browser() as stranger, world.browser() as owner:
        assert await confirm(owner) == 200
        stranger.present(refresh_token=refresh_token)
        assert_error(await stranger.get("/api/guarded"), "session_expired", 401)


async def test_half_a_confirmation_is_finished_with_a_mailed_reset() -> None:
    for failure in (IdentityUnavailable("down"), CredentialsRefused()):
        world = PeopleWorld()
        async with world.browser() as browser:
            await browser.post("/api/auth/sign-up", {"email": ADA, "password": PASSWORD})
            world.cognito.failures["set_password"] = failure
            body = {"email": ADA, "code": CODE, "password": PASSWORD}
            halfway = await browser.post("/api/auth/confirm", body)
            assert "Forgot your password?" in assert_error(halfway, "identity_unavailable", 503)["message"]
            assert "retry-after" not in halfway.headers
            world.cognito.failures.clear()
            again = await browser.post("/api/auth/confirm", body)
            assert "Forgot your password?" in assert_error(again, "code_invalid", 400)["message"]
            assert_error(await browser.sign_in(ADA, PASSWORD), "sign_in_failed", 401)
            await browser.post("/api/auth/forgot", {"email": ADA})
            body["code"] = world.cognito.mails[-1][1]
            assert (await browser.post("/api/auth/reset", body)).status_code == 200
            assert (await browser.sign_in(ADA, PASSWORD)).status_code == 200


async def test_what_ends_sessions_may_fail_once_the_password_is_set() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await browser.post("/api/auth/sign-up", {"email": ADA, "password": PASSWORD})
        world.cognito.failures["sign_out_everywhere"] = IdentityUnavailable("down")
        assert await confirm(browser) == 200
        assert (await browser.sign_in(ADA, PASSWORD)).status_code == 200
