"""The end of a user's sessions ends the playground's keys and no others."""

from collections.abc import Awaitable, Callable

import pytest

from multiconnection.errors import IdentityUnavailable
from multiconnection.identity.models import account_id_of
from multiconnection.keys.models import API, SESSION
from multiconnection.retry import StoreUnavailable
from tests.support.assertions import assert_error
from tests.support.people_world import Browser, PeopleWorld

ADA, PASSWORD, NEXT_PASSWORD = "ada@example.com", "correct horse 1", "battery staple 2"


async def out_everywhere(_: PeopleWorld, browser: Browser) -> int:
    return (await browser.post("/api/auth/sign-out-everywhere")).status_code


async def change(_: PeopleWorld, browser: Browser) -> int:
    body = {"current": PASSWORD, "new": NEXT_PASSWORD}
    return (await browser.post("/api/auth/change-password", body)).status_code


async def reset(world: PeopleWorld, browser: Browser) -> int:
    await browser.post("/api/auth/forgot", {"email": ADA})
    body = {"email": ADA, "code": world.cognito.mails[-1][1], "password": NEXT_PASSWORD}
    return (await browser.post("/api/auth/reset", body)).status_code


WAYS = pytest.mark.parametrize("way", [out_everywhere, change, reset])
Way = Callable[[PeopleWorld, Browser], Awaitable[int]]


async def with_keys(world: PeopleWorld, browser: Browser) -> str:
    """Signed in, with two playground keys, one that has expired, and one of the account's own."""
    account_id = account_id_of(world.cognito.add(ADA, PASSWORD).user_id)
    await browser.sign_in(ADA, PASSWORD)
    soon = int(world.clock.now()) + 60
    await world.keys.issue(account_id, "Playground", kind=SESSION, expires_s=soon)
    world.hand.at += 60
    for _ in range(2):
        await world.keys.issue(account_id, "Playground", kind=SESSION, expires_s=soon + 1800)
    await world.keys.issue(account_id, "laptop")
    # A key that is younger than a second could be missing in the index.
    world.hand.at += 2
    return account_id


async def usable(world: PeopleWorld, account_id: str) -> list[str]:
    found = await world.keys.list(account_id)
    return sorted(key.kind for key in found if key.is_usable(world.clock.now()))


@WAYS
async def test_playground_keys_end_with_the_sessions(way: Way) -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        account_id = await with_keys(world, browser)
        assert await usable(world, account_id) == sorted([API, SESSION, SESSION])
        assert await way(world, browser) in (200, 204)
        assert await usable(world, account_id) == [API]


@pytest.mark.parametrize("way", [change, reset])
async def test_a_changed_password_is_changed_whatever_becomes_of_the_rest(way: Way) -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        account_id = await with_keys(world, browser)
        world.cognito.failures["sign_out_everywhere"] = IdentityUnavailable("down")
        assert await way(world, browser) in (200, 204)
        assert await usable(world, account_id) == [API], "one does not wait for the other"
        assert (await browser.sign_in(ADA, NEXT_PASSWORD)).status_code == 200


async def test_signing_out_everywhere_says_when_keys_are_left() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        account_id = await with_keys(world, browser)
        world.driver.failure = StoreUnavailable("down")
        assert_error(await browser.post("/api/auth/sign-out-everywhere"), "ledger_unavailable", 503)
        world.driver.failure = None
        assert await out_everywhere(world, browser) == 204
        assert await usable(world, account_id) == [API]


async def test_signing_out_a_deleted_user_ends_the_keys() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        account_id = await with_keys(world, browser)
        del world.cognito.people[ADA]
        assert await out_everywhere(world, browser) == 204
        assert await usable(world, account_id) == [API]
