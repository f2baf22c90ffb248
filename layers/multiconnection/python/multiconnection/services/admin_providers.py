"""Providers: which are configured, how they are doing, and the switch that takes one out of routing."""

from collections import Counter
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from multiconnection.domain.admin_errors import AdminConflict, ProviderNotFound
from multiconnection.domain.sessions import Session

from .admin_access import Reliable
from .admin_health import Health, ProviderHealth
from .admin_models import CatalogStore, Head
from .audit import AuditEntry
from .audit_trail import AuditEntries
from .catalog import Switches


class SwitchMoved(Exception):
    """Somebody else moved the switch since it was read."""


class SwitchStore(Protocol):
    async def switches(self) -> Switches:
        """Strongly consistent; raises StoreError."""

    async def set_provider(self, name: str, enabled: bool, entry: AuditEntry) -> None:
        """Together with the entry; may be repeated with it. Raises SwitchMoved or StoreError."""


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """`models` counts the enabled models that it can serve."""

    name: str
    configured: bool
    enabled: bool
    health: Health
    models: int


@dataclass(frozen=True, slots=True)
class AdminProviders:
    """`names` are all that there are, `configured` those with an address and a key."""

    names: Sequence[str]
    configured: Container[str]
    refresh: Callable[[], Awaitable[None]]
    switches: SwitchStore
    catalog: CatalogStore
    provider_health: ProviderHealth
    entries: AuditEntries
    reliable: Reliable

    async def list(self) -> list[ProviderRecord]:
        """In the order of the configuration. Raises LedgerUnavailable or NoAvailableUpstream."""
        await self.refresh()
        off = (await self.reliable(self.switches.switches)).providers_off
        models = _models_of(await self.reliable(self.catalog.heads))
        health = await self.provider_health.health()
        return [self._record(name, off, models, health[name]) for name in self.names]

    async def set_enabled(self, admin: Session, name: str, *, enabled: bool, why: str = "") -> ProviderRecord:
        """In force within the time that processes keep the catalog. What is so already is not logged again.

        Raises ProviderNotFound, AdminConflict or LedgerUnavailable.
        """
        if name not in self.names:
            raise ProviderNotFound(f"There is no provider {name[:64]!r}.", param="provider")
        was = name not in (await self.reliable(self.switches.switches)).providers_off
        if was != enabled:
            action = "provider.enable" if enabled else "provider.disable"
            entry = self.entries.of(admin.email, action, name, {"enabled": was}, {"enabled": enabled}, why)
            try:
                await self.reliable(lambda: self.switches.set_provider(name, enabled, entry))
            except SwitchMoved as exc:
                raise AdminConflict("The switch was moved meanwhile; look at it again.") from exc
        return next(record for record in await self.list() if record.name == name)

    def _record(self, name: str, off: frozenset[str], models: Mapping[str, int], health: Health) -> ProviderRecord:
        return ProviderRecord(name, name in self.configured, name not in off, health, models.get(name, 0))


def _models_of(heads: Sequence[Head]) -> Mapping[str, int]:
    return Counter(
        provider
        for head in heads
        if head.enabled
        for provider in {str(ref["provider"]) for ref in head.entry["upstreams"]}
    )
