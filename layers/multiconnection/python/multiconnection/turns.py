"""Long computations in short steps, so that the event loop can serve other requests in between."""

import asyncio
from collections.abc import Generator
from typing import TypeVar

# Long enough for several turns of the loop, in which other requests make progress.
PAUSE_S = 0.001
T = TypeVar("T")
Steps = Generator[None, None, T]
"""A computation that pauses at each `yield` and returns its result."""


def at_once(steps: Steps[T]) -> T:
    """Run all steps without a pause."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


async def in_turns(steps: Steps[T]) -> T:
    """Run the steps with a pause after each; a single step costs no more than calling it."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        await give_way()


async def give_way() -> None:
    """Let other tasks run, between two stages of a long computation."""
    await asyncio.sleep(PAUSE_S)
