"""Time and chance as ports, so that a simulation can own both."""

from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""


class Rng(Protocol):
    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound)."""


class Alarms(Protocol):
    """Where the ledger reports what must never happen."""

    def alarm(self, name: str, **context: object) -> None: ...
