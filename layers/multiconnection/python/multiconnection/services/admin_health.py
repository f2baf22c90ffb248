"""How the providers are doing, as the metrics of the last quarter of an hour tell."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from multiconnection.domain.ports import Clock

State = Literal["ok", "degraded", "down", "unknown"]
WINDOW_S = 900
# Metrics are paid for by the request, and are minutes old anyway.
KEPT_S = 60.0
# Fewer attempts than this tell nothing about a share.
ATTEMPTS_MIN = 5
DOWN_SHARE, DEGRADED_SHARE = 0.5, 0.1
log = logging.getLogger(__name__)


class MetricsUnavailable(Exception):
    """The metrics could not be read."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Attempts that a provider answered and that it failed; `p90_ms` of its answers, None without any."""

    answers: int = 0
    errors: int = 0
    p90_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    state: State
    figures: Figures


class ProviderMetrics(Protocol):
    async def figures(self, names: Sequence[str], since_s: int, until_s: int) -> Mapping[str, Figures]:
        """By provider; one without data may be missing. Raises MetricsUnavailable."""


class ProviderHealth:
    """One per process. Implements `site.ProviderStates` for the providers that it is made with."""

    def __init__(self, metrics: ProviderMetrics, names: Sequence[str], clock: Clock) -> None:
        self._metrics = metrics
        self._names = tuple(names)
        self._clock = clock
        self._known: Mapping[str, Health] = {}
        self._fresh_until_s = 0.0

    async def health(self) -> Mapping[str, Health]:
        """Of every provider; unknown where there is no data, or none can be read."""
        now_s = self._clock.now()
        if now_s >= self._fresh_until_s:
            self._known, self._fresh_until_s = await self._read(int(now_s)), now_s + KEPT_S
        return self._known

    async def states(self) -> Mapping[str, State]:
        return {name: health.state for name, health in (await self.health()).items()}

    async def _read(self, now_s: int) -> Mapping[str, Health]:
        found: Mapping[str, Figures] = {}
        try:
            found = await self._metrics.figures(self._names, now_s - WINDOW_S, now_s)
        except MetricsUnavailable as exc:
            log.warning("provider_metrics_unavailable", extra={"error": str(exc)})
        return {name: judged(found.get(name, Figures())) for name in self._names}


def judged(figures: Figures) -> Health:
    attempts = figures.answers + figures.errors
    if not attempts:
        return Health("unknown", figures)
    share = figures.errors / attempts
    if attempts < ATTEMPTS_MIN:
        return Health("degraded" if share >= DOWN_SHARE else "ok", figures)
    return Health("down" if share >= DOWN_SHARE else "degraded" if share >= DEGRADED_SHARE else "ok", figures)
