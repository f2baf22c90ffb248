"""Long work in short steps, between which the event loop serves others."""

import asyncio
from collections.abc import Generator
from typing import TypeVar

# Long enough for several turns of the loop, in which the requests of others come a good way.
PAUSE_S = 0.001
T = TypeVar("T")
Steps = Generator[None, None, T]
"""Work that stops at each `yield`, and returns its result."""


def at_once(steps: Steps[T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


async def in_turns(steps: Steps[T]) -> T:
    """Work of a single step costs nothing more than calling it."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        await give_way()


async def give_way() -> None:
    """Between two stages of long work."""
    await asyncio.sleep(PAUSE_S)
