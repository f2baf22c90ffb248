"""Unsafe requests have to come from our own pages; the matrix of what browsers and strangers send."""

import pytest

from tests.support.assertions import assert_error
from tests.support.people_world import HOST, ORIGIN, PeopleWorld

ADA, PASSWORD = "ada@example.com", "correct horse 1"
OTHER = "https://evil.example"
SIGNING_IN = [
    "sign-up",
    "confirm",
    "resend",
    "sign-in",
    "totp",
    "new-password",
    "sign-out",
    "sign-out-everywhere",
    "forgot",
    "reset",
    "change-password",
    "totp/setup",
    "totp/enable",
    "totp/disable",
]
UNSAFE = ["POST", "PUT", "PATCH", "DELETE"]
OURS = [
    {"x-mc-csrf": "1", "origin": ORIGIN, "sec-fetch-site": "same-origin"},
    {"x-mc-csrf": "1", "origin": ORIGIN},
    {"x-mc-csrf": "1", "origin": ORIGIN.upper()},
    {"x-mc-csrf": "1", "sec-fetch-site": "same-origin"},
]
NOT_OURS = [
    {},
    {"x-mc-csrf": "1"},
    {"origin": ORIGIN, "sec-fetch-site": "same-origin"},
    {"x-mc-csrf": "0", "origin": ORIGIN},
    {"x-mc-csrf": "", "origin": ORIGIN},
    {"x-mc-csrf": "1", "origin": OTHER},
    {"x-mc-csrf": "1", "origin": "null"},
    {"x-mc-csrf": "1", "origin": ""},
    {"x-mc-csrf": "1", "origin": f"http://{HOST}"},
    {"x-mc-csrf": "1", "origin": f"https://{HOST}:8443"},
    {"x-mc-csrf": "1", "origin": f"https://{HOST}.evil.example"},
    {"x-mc-csrf": "1", "origin": f"https://sub.{HOST}"},
    {"x-mc-csrf": "1", "origin": OTHER, "sec-fetch-site": "same-origin"},
    {"x-mc-csrf": "1", "origin": ORIGIN, "sec-fetch-site": "cross-site"},
    {"x-mc-csrf": "1", "origin": ORIGIN, "sec-fetch-site": "same-site"},
    {"x-mc-csrf": "1", "sec-fetch-site": "none"},
    {"x-mc-csrf": "1", "origin": OTHER, "x-forwarded-host": "evil.example"},
]


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("headers", OURS, ids=str)
async def test_our_own_pages_are_served(method: str, headers: dict[str, str]) -> None:
    world = PeopleWorld()
    world.cognito.add(ADA, PASSWORD)
    async with world.browser() as browser:
        await browser.sign_in(ADA, PASSWORD)
        assert (await browser.http.request(method, "/api/guarded", headers=headers)).status_code == 200


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("headers", NOT_OURS, ids=str)
async def test_every_other_origin_is_refused_even_with_valid_cookies(method: str, headers: dict[str, str]) -> None:
    world = PeopleWorld()
    world.cognito.add(ADA, PASSWORD)
    async with world.browser() as browser:
        await browser.sign_in(ADA, PASSWORD)
        assert_error(await browser.http.request(method, "/api/guarded", headers=headers), "csrf_failed", 403)


@pytest.mark.parametrize("path", SIGNING_IN)
async def test_every_route_of_signing_in_is_guarded(path: str) -> None:
    """Also without a session: another site must not sign a user in to, or out of, an account."""
    world = PeopleWorld()
    async with world.browser() as browser:
        answer = await browser.http.post(f"/api/auth/{path}", json={}, headers={"x-mc-csrf": "1", "origin": OTHER})
        assert_error(answer, "csrf_failed", 403)
    assert not world.cognito.calls


async def test_a_change_of_the_name_is_guarded() -> None:
    async with PeopleWorld().browser() as browser:
        answer = await browser.http.patch("/api/account", json={"name": "Eve"}, headers={"origin": ORIGIN})
        assert_error(answer, "csrf_failed", 403)


async def test_reading_needs_no_header() -> None:
    world = PeopleWorld()
    world.cognito.add(ADA, PASSWORD)
    async with world.browser() as browser:
        await browser.sign_in(ADA, PASSWORD)
        assert (await browser.http.get("/api/guarded", headers={"origin": OTHER})).status_code == 200


async def test_another_public_origin_can_be_configured() -> None:
    headers = {"x-mc-csrf": "1", "origin": "https://console.example.org"}
    for origins, status in ((frozenset({"https://console.example.org"}), 200), (frozenset[str](), 403)):
        world = PeopleWorld(public_origins=origins)
        world.cognito.add(ADA, PASSWORD)
        async with world.browser() as browser:
            await browser.sign_in(ADA, PASSWORD)
            assert (await browser.http.post("/api/guarded", headers=headers)).status_code == status


async def test_a_local_stack_without_tls_has_its_own_origin() -> None:
    world = PeopleWorld()
    world.cognito.add(ADA, PASSWORD)
    async with world.browser(base_url="http://127.0.0.1:8000") as browser:
        assert (await browser.sign_in(ADA, PASSWORD)).status_code == 200
        browser.headers["origin"] = "https://127.0.0.1:8000"
        assert_error(await browser.sign_in(ADA, PASSWORD), "csrf_failed", 403)
