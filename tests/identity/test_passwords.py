"""The rules for new passwords, and answers that take a minimum time."""

import asyncio
import time

import pytest

from multiconnection.errors import PasswordTooWeak
from multiconnection.identity.sign_in import CHARS_MAX, CHARS_MIN, at_least, require_strong

EMAIL = "ada.lovelace@example.com"


@pytest.mark.parametrize("password", ["correct horse", "a" * 6 + "bcde", "密码密码很长的密码没错", "p" * 251 + "abcde"])
def test_a_long_password_needs_no_special_characters(password: str) -> None:
    assert require_strong(password, EMAIL) == password


@pytest.mark.parametrize(
    "password",
    [
        "",
        "abcdefghi",
        "a" * 20,
        "abababababab",
        " correct horse",
        "correct horse\n",
        EMAIL,
        "ADA.lovelace",
        "abcde" * 52,
    ],
)
def test_a_weak_one_is_refused_with_the_field(password: str) -> None:
    with pytest.raises(PasswordTooWeak) as refused:
        require_strong(password, EMAIL, "new")
    assert refused.value.param == "new"


def test_the_bounds_are_those_of_the_pool() -> None:
    assert (CHARS_MIN, CHARS_MAX) == (10, 256)


@pytest.mark.parametrize("fails", [False, True])
async def test_successes_and_failures_take_the_same_time(fails: bool) -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        if fails:
            raise KeyError
        return 5

    began = time.monotonic()
    try:
        assert await at_least(0.05, work()) == 5
    except KeyError:
        assert fails
    assert time.monotonic() - began >= 0.05
