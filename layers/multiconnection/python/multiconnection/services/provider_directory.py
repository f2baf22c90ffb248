"""The providers as this process knows them: the environment's, completed by a secret that may change at any time."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Protocol

from multiconnection.config import SettingsError
from multiconnection.domain.errors import NoAvailableUpstream
from multiconnection.domain.ports import Clock
from multiconnection.domain.provider import Provider
from multiconnection.ledger.store import Alarms

log = logging.getLogger(__name__)

REFRESH_S = 300.0
# Older than this is not used without asking first: a snapshot of a process (SnapStart) wakes up with keys of days ago.
TRUSTED_S = 2 * REFRESH_S
# A secret that cannot be read is tried again soon, but not by every call.
RETRY_S = 10.0

Configure = Callable[[Mapping[str, str]], Mapping[str, Provider]]
"""Providers of the environment completed by a secret's values; raises SettingsError."""


class SecretUnreadable(Exception):
    """The secret could not be fetched or is not what it should be; the message never quotes it."""


class SecretSource(Protocol):
    async def fetch(self) -> Mapping[str, str]:
        """Names like those of environment variables → values. Raises SecretUnreadable."""


class ProviderDirectory(Mapping[str, Provider]):
    """A mapping that changes. A provider that was taken out is not contained, but calls on their way still find it."""

    def __init__(self, configure: Configure, source: SecretSource | None, clock: Clock, alarms: Alarms) -> None:
        """Raises SettingsError. Without a source the environment alone decides."""
        self._configure = configure
        self._source = source
        self._clock = clock
        self._alarms = alarms
        self._current: Mapping[str, Provider] = configure({})
        self._ever = dict(self._current)
        self._loading: asyncio.Task[None] | None = None
        self._next_s = 0.0
        self._trusted_until_s = 0.0
        self._loaded = source is None

    async def refresh(self) -> None:
        """No I/O while fresh; a new copy behind the caller's back while trusted; waits for one before and after.

        Raises NoAvailableUpstream until the secret has been read for the first time.
        """
        if self._source is None:
            return
        now = self._clock.now()
        if now >= self._next_s and self._loading is None:
            self._loading = asyncio.create_task(self._load(self._source))
        if now < self._trusted_until_s:
            return
        if self._loading is not None:
            await asyncio.shield(self._loading)
        if not self._loaded:
            raise NoAvailableUpstream("The providers' credentials cannot be read at the moment.", retry_after_s=2)

    async def aclose(self) -> None:
        """Before the network is gone under a fetch."""
        if (loading := self._loading) is not None:
            loading.cancel()
            with suppress(asyncio.CancelledError):
                await loading

    def __getitem__(self, name: str) -> Provider:
        return self._ever[name]

    def __contains__(self, name: object) -> bool:
        return name in self._current

    def __iter__(self) -> Iterator[str]:
        return iter(self._current)

    def __len__(self) -> int:
        return len(self._current)

    async def _load(self, source: SecretSource) -> None:
        try:
            self._current = self._configure(await source.fetch())
        except (SecretUnreadable, SettingsError) as exc:
            self._failed(exc)
        else:
            self._ever |= self._current
            self._loaded = True
            self._next_s = self._clock.now() + REFRESH_S
            self._trusted_until_s = self._clock.now() + TRUSTED_S
        finally:
            self._loading = None

    def _failed(self, exc: Exception) -> None:
        """What is known stays in use. One failure is no alarm: a process may be frozen in the middle of a fetch."""
        now = self._clock.now()
        self._next_s = now + RETRY_S
        if now >= self._trusted_until_s:
            self._alarms.alarm("secret_unreadable", error=str(exc))
        else:
            log.warning("secret_unreadable", extra={"error": str(exc)})
