"""Time, randomness and alarms as ports, so that a simulation can control them."""

from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""


class Rng(Protocol):
    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound)."""


class Alarms(Protocol):
    """Report what an operator has to know."""

    def alarm(self, name: str, **context: object) -> None: ...
