"""Which upstream serves a call: catalog order, cool-downs, bounded retries before the first byte."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from multiconnection.catalog.models import Model, Provider, UpstreamRef
from multiconnection.catalog.service import CatalogService
from multiconnection.errors import NoAvailableUpstream
from multiconnection.ports import Clock
from multiconnection.usage import Attempts, Failure

from .upstream import UpstreamError

T = TypeVar("T")
ATTEMPTS_MAX = 4
RETRY_PAUSE_S = 0.2
# Waiting longer than this for a limited upstream is the client's decision, not ours.
RETRY_AFTER_WAITED_MAX_S = 2.0


class Router:
    """Remembers which upstreams failed lately; shared by all calls of a process."""

    def __init__(self, catalog: CatalogService, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._cooling: dict[UpstreamRef, float] = {}

    async def call(
        self, model: Model, attempts: Attempts, operation: Callable[[Provider, UpstreamRef], Awaitable[T]]
    ) -> T:
        """Try upstreams until one answers. Raises the last UpstreamError, or NoAvailableUpstream where none is set."""
        last: UpstreamError | None = None
        tried: set[UpstreamRef] = set()
        for upstream in self._order(model):
            if last is not None and upstream in tried:
                await asyncio.sleep(self._pause_s(last))
            tried.add(upstream)
            provider = self._catalog.provider(upstream.provider)
            attempts.count += 1
            attempts.provider = provider.name
            began_s = self._clock.now()
            try:
                answer = await operation(provider, upstream)
            except UpstreamError as exc:
                last = exc
                self._cool_down(upstream, exc)
                self._note_failure(attempts, exc, began_s)
                if not exc.retry_elsewhere:
                    break
            else:
                attempts.answered_ms = self._ms_since(began_s)
                return answer
        if last is None:
            raise NoAvailableUpstream(f"No provider for `{model.id}` is configured.", retryable=False)
        raise last

    def _order(self, model: Model) -> Iterator[UpstreamRef]:
        """Upstreams that are not cooling down first; each as often as its provider allows, at most four in all."""
        now = self._clock.now()
        upstreams = self._catalog.upstreams(model)
        ordered = sorted(upstreams, key=lambda upstream: self._cooling.get(upstream, 0.0) > now)
        tries = 0
        for round_ in range(ATTEMPTS_MAX):
            for upstream in ordered:
                if round_ < self._catalog.provider(upstream.provider).attempts_max and tries < ATTEMPTS_MAX:
                    tries += 1
                    yield upstream

    def _cool_down(self, upstream: UpstreamRef, exc: UpstreamError) -> None:
        if exc.cool_down_s:
            self._cooling[upstream] = self._clock.now() + exc.cool_down_s

    def _note_failure(self, attempts: Attempts, exc: UpstreamError, began_s: float) -> None:
        """A provider that refuses a bad request has answered; it has not failed."""
        if exc.retry_elsewhere:
            failure = Failure(attempts.provider, exc.error.metric_code, self._ms_since(began_s))
            attempts.failures.append(failure)
        else:
            attempts.answered_ms = self._ms_since(began_s)

    def _ms_since(self, began_s: float) -> int:
        return round((self._clock.now() - began_s) * 1000)

    def _pause_s(self, last: UpstreamError) -> float:
        after = last.error.retry_after_s
        return after if after is not None and after <= RETRY_AFTER_WAITED_MAX_S else RETRY_PAUSE_S
