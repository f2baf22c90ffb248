"""Administration of the catalog: new immutable price versions; models and providers in and out of service."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from multiconnection.audit.log import AuditEntries
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
    SwitchChanged,
    parse_costs,
    parse_model,
)
from .schemas import PriceBody, PriceDifferenceAnswer
from .store import AdminCatalogTable

# The table takes no longer ones as keys.
MODEL_ID_CHARS_MAX = 256
# Larger changes, up or down, are more often a misplaced decimal point than intended.
RATIO_MAX = 10
DEPTH_MAX, KINDS_MAX = 3, 500
_PRICE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?", re.ASCII)

QuotedPrices = Mapping[str, Any]
"""USD strings by kind, with those of long prompts and of images by size and quality inside."""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    head: Head
    versions: Sequence[PriceVersion]


@dataclass(frozen=True, slots=True)
class PriceDifference:
    """One price that changes; `percent` is None if there was no price before, or it was 0."""

    kind: str
    old: str | None
    new: str
    percent: float | None
    is_large: bool


@dataclass(frozen=True, slots=True)
class PriceChange:
    """The version that new prices make, and every price that differs."""

    entry: Entry
    differences: Sequence[PriceDifference]
    cost_differences: Sequence[PriceDifference]

    @property
    def needs_confirmation(self) -> bool:
        return any(each.is_large for each in self.differences)


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """`models` counts the enabled models that it can serve."""

    name: str
    configured: bool
    enabled: bool
    health: Health
    models: int


@dataclass(frozen=True, slots=True)
class AdminModels:
    table: AdminCatalogTable
    entries: AuditEntries
    reliable: Reliable

    async def list(self) -> list[ModelRecord]:
        """Every model with its versions, by id. Raises LedgerUnavailable."""
        heads = sorted(await self.reliable(self.table.heads), key=lambda head: head.model_id)
        return list(await asyncio.gather(*(self._with_versions(head) for head in heads)))

    async def get(self, model_id: str) -> ModelRecord:
        """Raises ModelNotFound or LedgerUnavailable."""
        return await self._with_versions(await self._head(model_id))

    async def diff(self, model_id: str, body: PriceBody) -> PriceChange:
        """The change that `publish` would make. Raises ModelNotFound, PriceVersionConflict or RequestInvalid."""
        return _change(await self.get(model_id), body)

    async def publish(self, admin: Session, model_id: str, body: PriceBody) -> PriceChange:
        """Make a new version; processes use it once their catalog expires, and running calls keep theirs.

        Raises as `diff` does, and ConfirmationRequired.
        """
        record = await self.get(model_id)
        change = _change(record, body)
        if not change.differences and not change.cost_differences:
            raise RequestInvalid("No price differs from the current version's.", param="prices")
        if change.needs_confirmation and not body.confirm:
            raise ConfirmationRequired(
                'A price changes more than tenfold, or is new. Send "confirm": true if this is meant.',
                param="confirm",
                details={"diff": [difference_answer(each).model_dump() for each in change.differences]},
            )
        head = record.head
        before, after = _audited_prices(head.entry), _audited_prices(change.entry)
        log = self.entries.of(admin.email, "model.price", model_id, before, after, body.reason)
        try:
            await self.reliable(lambda: self.table.add_version(head, change.entry, log))
        except HeadChanged as exc:
            raise _conflict(await self._head(model_id)) from exc
        return change

    async def set_enabled(self, admin: Session, model_id: str, *, enabled: bool, why: str = "") -> ModelRecord:
        """A model that is in this state already is not logged again. Raises ModelNotFound or AdminConflict."""
        head = await self._head(model_id)
        if head.enabled != enabled:
            action = "model.enable" if enabled else "model.disable"
            before, after = {"enabled": head.enabled}, {"enabled": enabled}
            log = self.entries.of(admin.email, action, model_id, before, after, why)
            try:
                await self.reliable(lambda: self.table.set_enabled(head, enabled, log))
            except HeadChanged as exc:
                raise AdminConflict("The model was changed meanwhile; look at it again.") from exc
        return await self.get(model_id)

    async def _head(self, model_id: str) -> Head:
        known = 0 < len(model_id) <= MODEL_ID_CHARS_MAX
        head = await self.reliable(lambda: self.table.head(model_id)) if known else None
        if head is None:
            raise ModelNotFound(f"There is no model `{model_id[:128]}`.", param="model")
        return head

    async def _with_versions(self, head: Head) -> ModelRecord:
        return ModelRecord(head, await self.reliable(lambda: self.table.versions(head.model_id)))


@dataclass(frozen=True, slots=True)
class AdminProviders:
    """`names` are all providers, `configured` those with an address and a key; `refresh` brings them up to date."""

    names: Sequence[str]
    configured: Container[str]
    refresh: Callable[[], Awaitable[None]]
    table: AdminCatalogTable
    provider_health: ProviderHealth
    entries: AuditEntries
    reliable: Reliable

    async def list(self) -> list[ProviderRecord]:
        """Every provider, in the order of the configuration. Raises LedgerUnavailable or NoAvailableUpstream."""
        await self.refresh()
        off = await self._switched_off()
        models = _models_of(await self.reliable(self.table.heads))
        health = await self.provider_health.health()
        return [
            ProviderRecord(name, name in self.configured, name not in off, health[name], models.get(name, 0))
            for name in self.names
        ]

    async def set_enabled(self, admin: Session, name: str, *, enabled: bool, why: str = "") -> ProviderRecord:
        """Processes obey once their catalog expires. A provider that is in this state already is not logged again.

        Raises ProviderNotFound, AdminConflict or LedgerUnavailable.
        """
        if name not in self.names:
            raise ProviderNotFound(f"There is no provider {name[:64]!r}.", param="provider")
        was = name not in await self._switched_off()
        if was != enabled:
            action = "provider.enable" if enabled else "provider.disable"
            log = self.entries.of(admin.email, action, name, {"enabled": was}, {"enabled": enabled}, why)
            try:
                await self.reliable(lambda: self.table.set_provider(name, enabled, log))
            except SwitchChanged as exc:
                raise AdminConflict("The switch was moved meanwhile; look at it again.") from exc
        return next(record for record in await self.list() if record.name == name)

    async def _switched_off(self) -> frozenset[str]:
        return (await self.reliable(self.table.switches)).providers_off


def quoted_prices(entry: Entry) -> dict[str, Any]:
    """All prices of an entry in one table, with those of long prompts inside."""
    long = {LONG: entry[LONG]["prices"]} if LONG in entry else {}
    return {**entry["prices"], **long}


def difference_answer(each: PriceDifference) -> PriceDifferenceAnswer:
    return PriceDifferenceAnswer(kind=each.kind, old=each.old, new=each.new, percent=each.percent)


def differences(old: QuotedPrices, new: QuotedPrices) -> list[PriceDifference]:
    """The prices that change, in the order of the new table. Raises RequestInvalid if one is missing or invalid."""
    before, after = flat(old), flat(new)
    if gone := [kind for kind in before if kind not in after]:
        raise RequestInvalid(
            f"The price of '{gone[0]}' is missing: without it, it would be free. Send every price, \"0\" included.",
            param="prices",
        )
    _require_known(new, "")
    return list(_changed(before, after))


def flat(prices: QuotedPrices, at: str = "", depth: int = 1) -> dict[str, str]:
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


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[PriceDifference]:
    for kind, price in after.items():
        was, now = before.get(kind), Decimal(price)
        if was is not None and Decimal(was) == now:
            continue
        base = Decimal(was or 0)
        percent = round(float((now - base) / base * 100), 2) if base else None
        is_large = base == 0 or now > base * RATIO_MAX or now * RATIO_MAX < base
        yield PriceDifference(kind, was, price, percent, is_large)


def _require_known(prices: QuotedPrices, at: str) -> None:
    for kind, price in prices.items():
        if kind == LONG and not at and isinstance(price, Mapping):
            _require_known(price, f"{LONG}.")
        elif isinstance(price, Mapping) is not (kind == "images") or kind not in PRICE_KINDS:
            raise RequestInvalid(f"'{at}{kind[:64]}' is no kind of usage that has a price.", param="prices")


def _change(record: ModelRecord, body: PriceBody) -> PriceChange:
    head = record.head
    if body.base_version != head.price_version:
        raise _conflict(head)
    changed = differences(quoted_prices(head.entry), body.prices)
    if LONG in body.prices and LONG not in head.entry:
        raise RequestInvalid("This model has no prices of its own for long prompts.", param="prices")
    old_costs = head.entry.get("cost_prices", {})
    cost_changed = [] if body.cost_prices is None else differences(old_costs, body.cost_prices)
    # Above every number that was ever used: a version is written once.
    number = max((version.number for version in record.versions), default=head.price_version) + 1
    return PriceChange(_new_entry(head.entry, body, number), changed, cost_changed)


def _new_entry(entry: Entry, body: PriceBody, number: int) -> dict[str, Any]:
    """The entry with these prices, if the catalog's own rules allow them. Raises RequestInvalid."""
    base = {kind: price for kind, price in body.prices.items() if kind != LONG}
    made = {**entry, "prices": base, "price_version": number}
    if LONG in entry:
        made[LONG] = {**entry[LONG], "prices": body.prices[LONG]}
    if body.cost_prices is not None:
        made["cost_prices"] = dict(body.cost_prices)
    try:
        parse_model(made)
        parse_costs(made)
    except CatalogError as exc:
        raise RequestInvalid(f"The catalog refuses these prices: {exc.__cause__ or exc}.", param="prices") from exc
    return made


def _audited_prices(entry: Entry) -> dict[str, Any]:
    facts = {"price_version": entry["price_version"], "prices": quoted_prices(entry)}
    return facts | ({"cost_prices": entry["cost_prices"]} if "cost_prices" in entry else {})


def _conflict(head: Head) -> PriceVersionConflict:
    return PriceVersionConflict(
        f"The current price version of {head.model_id} is {head.price_version}.",
        param="base_version",
        details={"price_version": head.price_version},
    )


def _models_of(heads: Sequence[Head]) -> Mapping[str, int]:
    """The number of enabled models by provider."""
    return Counter(
        provider
        for head in heads
        if head.enabled
        for provider in {str(ref["provider"]) for ref in head.entry["upstreams"]}
    )
