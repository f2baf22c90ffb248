"""What all answers of all functions have in common, whoever asked for what."""

from collections.abc import Iterable

import httpx

from multiconnection.identity.browser import COOKIE_BYTES_MAX, ID_COOKIE, REFRESH_COOKIE
from tests.support.assertions import assert_error
from tests.support.whole_world import Answer

COOKIE_ATTRIBUTES = {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"}
# The only answers below /api that somebody else's cache may keep.
CACHED = {"/api/models": "public, max-age=60"}
Outcome = tuple[int, str | None]


def outcome(response: httpx.Response) -> Outcome:
    """Status and code; an error in our shape, or for people a page."""
    if response.headers["content-type"].startswith("text/html"):
        return response.status_code, None
    code: str | None = response.json()["error"]["code"]
    assert_error(response, code, response.status_code)
    return response.status_code, code


def assert_sound(answers: Iterable[Answer]) -> None:
    for answer in answers:
        response = answer.response
        assert response.status_code < 500, f"{answer.path}: {response.text}"
        if response.status_code >= 400:
            outcome(response)
        assert_cookies(response)
        if answer.path.startswith("/api/"):
            assert_not_kept(answer)


def assert_cookies(response: httpx.Response) -> None:
    """No script reads them, no other host, no plain http and no other site sends them."""
    for cookie in response.headers.get_list("set-cookie"):
        pair, *attributes = cookie.split("; ")
        assert pair.partition("=")[0] in (ID_COOKIE, REFRESH_COOKIE)
        lives = [attribute for attribute in attributes if attribute.startswith("Max-Age=")]
        assert len(lives) == 1
        assert set(attributes) - set(lives) == COOKIE_ATTRIBUTES
        assert len(cookie) <= COOKIE_BYTES_MAX


def assert_not_kept(answer: Answer) -> None:
    expected = CACHED.get(answer.path) if answer.response.status_code == 200 else None
    found = answer.response.headers.get("cache-control")
    assert found == (expected or "no-store"), f"{answer.function} {answer.path}: cache-control is {found!r}"
