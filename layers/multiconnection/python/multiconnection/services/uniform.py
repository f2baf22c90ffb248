"""Answers that take the same time whether or not an address is known."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def at_least(seconds: float, work: Awaitable[T]) -> T:
    """The result, or the error, of `work`, not before `seconds` have passed."""
    loop = asyncio.get_running_loop()
    not_before = loop.time() + seconds
    try:
        return await work
    finally:
        await asyncio.sleep(max(0.0, not_before - loop.time()))
