"""Coroutines over the tables without a network: what the world was before the simulation began."""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .audit import Auditor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Implements `Driver` and never awaits."""

    auditor: Auditor

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        return self.auditor.execute(operation, payload)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never awaits."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    work.close()
    raise RuntimeError("the coroutine waits for something")
