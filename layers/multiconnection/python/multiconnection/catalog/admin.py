"""Models and prices: the catalog with what is disabled, new immutable price versions, models in and out of service."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from multiconnection.audit.log import AuditEntries, AuditEntry
from multiconnection.errors import (
    AdminConflict,
    ConfirmationRequired,
    ModelNotFound,
    PriceVersionConflict,
    ProviderNotFound,
    RequestInvalid,
)
from multiconnection.identity.models import Session
from multiconnection.retry import Reliable

from .health import Health, ProviderHealth
from .models import (
    LONG,
    PRICE_KINDS,
    CatalogError,
    Entry,
    Head,
    HeadChanged,
    PriceVersion,
    Switches,
    SwitchMoved,
    costing_entry,
    parse_model,
)

# Longer ones are no keys of the table.
MODEL_ID_CHARS_MAX = 256


class CatalogStore(Protocol):
    """Every write carries its entry of the log and may be repeated with it; each method raises StoreError as well."""

    async def heads(self) -> Sequence[Head]:
        """Every model, disabled ones too; strongly consistent."""

    async def head(self, model_id: str) -> Head | None:
        """Strongly consistent."""

    async def versions(self, model_id: str) -> Sequence[PriceVersion]:
        """Oldest first; strongly consistent."""

    async def publish(self, head: Head, entry: Entry, log: AuditEntry) -> None:
        """A new version, and current. Raises HeadChanged."""

    async def set_enabled(self, head: Head, enabled: bool, log: AuditEntry) -> None:
        """Raises HeadChanged."""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    head: Head
    versions: Sequence[PriceVersion]


@dataclass(frozen=True, slots=True)
class PriceWish:
    """`costs` None keeps what the model costs upstream as it was."""

    prices: Mapping[str, Any]
    base_version: int
    costs: Mapping[str, Any] | None = None
    confirmed: bool = False
    why: str = ""


# Price tables side by side: every kind by its path, its old and new price, and by how much they differ.


@dataclass(frozen=True, slots=True)
class Difference:
    """`percent` is None where there was no price before, or it was 0."""

    kind: str
    old: str | None
    new: str
    percent: float | None
    is_large: bool


Prices = Mapping[str, Any]


def differences(old: Prices, new: Prices) -> list[Difference]:
    """Of what changes, in the order of the new table. Raises RequestInvalid where a price has gone or is no price."""
    before, after = flat(old), flat(new)
    if gone := [kind for kind in before if kind not in after]:
        raise RequestInvalid(
            f"The price of '{gone[0]}' is missing: without it, it would be free. Send every price, \"0\" included.",
            param="prices",
        )
    _require_known(new, "")
    return list(_changed(before, after))


@dataclass(frozen=True, slots=True)
class PriceChange:
    """What a wish does: the version that it makes, and every price that differs."""

    entry: Entry
    differences: Sequence[Difference]
    cost_differences: Sequence[Difference]

    @property
    def needs_confirmation(self) -> bool:
        return any(each.is_large for each in self.differences)


@dataclass(frozen=True, slots=True)
class AdminModels:
    store: CatalogStore
    entries: AuditEntries
    reliable: Reliable

    async def list(self) -> list[ModelRecord]:
        """By id."""
        heads = sorted(await self.reliable(self.store.heads), key=lambda head: head.model_id)
        return list(await asyncio.gather(*(self._with_versions(head) for head in heads)))

    async def get(self, model_id: str) -> ModelRecord:
        """Raises ModelNotFound or LedgerUnavailable."""
        return await self._with_versions(await self._head(model_id))

    async def diff(self, model_id: str, wish: PriceWish) -> PriceChange:
        """What `publish` would do. Raises ModelNotFound, PriceVersionConflict or RequestInvalid."""
        return _change(await self.get(model_id), wish)

    async def publish(self, admin: Session, model_id: str, wish: PriceWish) -> PriceChange:
        """A new version, in force within the time that processes keep the catalog; calls that run keep theirs.

        Raises as `diff` does, and ConfirmationRequired.
        """
        record = await self.get(model_id)
        change = _change(record, wish)
        if not change.differences and not change.cost_differences:
            raise RequestInvalid("No price differs from the current version's.", param="prices")
        if change.needs_confirmation and not wish.confirmed:
            raise ConfirmationRequired(
                'A price changes more than tenfold, or is new. Send "confirm": true if this is meant.',
                param="confirm",
                details={"diff": [difference_object(each) for each in change.differences]},
            )
        head = record.head
        log = self.entries.of(
            admin.email, "model.price", model_id, _price_facts(head.entry), _price_facts(change.entry), wish.why
        )
        try:
            await self.reliable(lambda: self.store.publish(head, change.entry, log))
        except HeadChanged as exc:
            raise _conflict(await self._head(model_id)) from exc
        return change

    async def set_enabled(self, admin: Session, model_id: str, *, enabled: bool, why: str = "") -> ModelRecord:
        """What is so already is not changed and not logged again. Raises ModelNotFound or AdminConflict."""
        head = await self._head(model_id)
        if head.enabled != enabled:
            action = "model.enable" if enabled else "model.disable"
            before, after = {"enabled": head.enabled}, {"enabled": enabled}
            log = self.entries.of(admin.email, action, model_id, before, after, why)
            try:
                await self.reliable(lambda: self.store.set_enabled(head, enabled, log))
            except HeadChanged as exc:
                raise AdminConflict("The model was changed meanwhile; look at it again.") from exc
        return await self.get(model_id)

    async def _head(self, model_id: str) -> Head:
        known = 0 < len(model_id) <= MODEL_ID_CHARS_MAX
        head = await self.reliable(lambda: self.store.head(model_id)) if known else None
        if head is None:
            raise ModelNotFound(f"There is no model `{model_id[:128]}`.", param="model")
        return head

    async def _with_versions(self, head: Head) -> ModelRecord:
        return ModelRecord(head, await self.reliable(lambda: self.store.versions(head.model_id)))


def prices_of(entry: Entry) -> dict[str, Any]:
    """With those of long prompts inside, as a wish has them."""
    long = {LONG: entry[LONG]["prices"]} if LONG in entry else {}
    return {**entry["prices"], **long}


def difference_object(each: Difference) -> dict[str, Any]:
    return {"kind": each.kind, "old": each.old, "new": each.new, "percent": each.percent}


def _change(record: ModelRecord, wish: PriceWish) -> PriceChange:
    head = record.head
    if wish.base_version != head.price_version:
        raise _conflict(head)
    old_costs = head.entry.get("cost_prices", {})
    changed = differences(prices_of(head.entry), wish.prices)
    if LONG in wish.prices and LONG not in head.entry:
        raise RequestInvalid("This model has no prices of its own for long prompts.", param="prices")
    cost_changed = [] if wish.costs is None else differences(old_costs, wish.costs)
    # Above every number that was ever used: a version is written once.
    number = max((version.number for version in record.versions), default=head.price_version) + 1
    return PriceChange(_checked(_entry(head.entry, wish, number)), changed, cost_changed)


def _entry(entry: Entry, wish: PriceWish, number: int) -> dict[str, Any]:
    base = {kind: price for kind, price in wish.prices.items() if kind != LONG}
    made = {**entry, "prices": base, "price_version": number}
    if LONG in entry:
        made[LONG] = {**entry[LONG], "prices": wish.prices[LONG]}
    if wish.costs is not None:
        made["cost_prices"] = dict(wish.costs)
    return made


def _checked(entry: dict[str, Any]) -> dict[str, Any]:
    """By the catalog's own rules, those for what it costs upstream too."""
    try:
        parse_model(entry)
        parse_model(costing_entry(entry))
    except CatalogError as exc:
        raise RequestInvalid(f"The catalog refuses these prices: {exc.__cause__ or exc}.", param="prices") from exc
    return entry


def _price_facts(entry: Entry) -> dict[str, Any]:
    facts = {"price_version": entry["price_version"], "prices": prices_of(entry)}
    return facts | ({"cost_prices": entry["cost_prices"]} if "cost_prices" in entry else {})


def _conflict(head: Head) -> PriceVersionConflict:
    return PriceVersionConflict(
        f"The current price version of {head.model_id} is {head.price_version}.",
        param="base_version",
        details={"price_version": head.price_version},
    )


# Larger changes, up or down, are more often a slip of the decimal point than meant.
RATIO_MAX = 10
DEPTH_MAX, KINDS_MAX = 3, 500
_PRICE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?", re.ASCII)


def flat(prices: Prices, at: str = "", depth: int = 1) -> dict[str, str]:
    """{"images": {"1024x1024": {"high": "0.2"}}} → {"images.1024x1024.high": "0.2"}. Raises RequestInvalid."""
    found: dict[str, str] = {}
    for name, value in prices.items():
        path = f"{at}{name}"
        if isinstance(value, Mapping) and depth <= DEPTH_MAX and value:
            found |= flat(value, f"{path}.", depth + 1)
        elif isinstance(value, str) and _PRICE.fullmatch(value):
            found[path] = value
        else:
            raise RequestInvalid(
                f"The price of '{path[:64]}' has to be a decimal string that is not negative, such as \"0.15\".",
                param="prices",
            )
    if len(found) > KINDS_MAX:
        raise RequestInvalid(f"There are more than {KINDS_MAX} prices.", param="prices")
    return found


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    for kind, price in after.items():
        was, now = before.get(kind), Decimal(price)
        if was is not None and Decimal(was) == now:
            continue
        base = Decimal(was or 0)
        percent = round(float((now - base) / base * 100), 2) if base else None
        yield Difference(kind, was, price, percent, base == 0 or now > base * RATIO_MAX or now * RATIO_MAX < base)


def _require_known(prices: Prices, at: str) -> None:
    for kind, price in prices.items():
        if kind == "long_context" and not at and isinstance(price, Mapping):
            _require_known(price, "long_context.")
        elif isinstance(price, Mapping) is not (kind == "images") or kind not in PRICE_KINDS:
            raise RequestInvalid(f"'{at}{kind[:64]}' is no kind of usage that has a price.", param="prices")


# Providers: which are configured, how they are doing, and the switch that takes one out of routing.


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
