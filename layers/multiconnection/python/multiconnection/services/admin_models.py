"""Models and prices: the catalog with what is disabled, new immutable price versions, models in and out of service."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from multiconnection.domain.admin_errors import AdminConflict, ConfirmationRequired, PriceVersionConflict
from multiconnection.domain.catalog import CatalogError, parse_model
from multiconnection.domain.errors import ModelNotFound, RequestInvalid
from multiconnection.domain.sessions import Session

from .admin_access import Reliable
from .admin_costs import costing_entry
from .admin_price_diff import Difference, differences
from .audit import AuditEntry
from .audit_trail import AuditEntries

Entry = Mapping[str, Any]
LONG = "long_context"
# Longer ones are no keys of the table.
MODEL_ID_CHARS_MAX = 256


@dataclass(frozen=True, slots=True)
class Head:
    """A model's current entry; `body` is the entry as stored, which every change has as its condition."""

    entry: Entry
    enabled: bool
    body: str = field(repr=False)

    @property
    def model_id(self) -> str:
        return str(self.entry["id"])

    @property
    def price_version(self) -> int:
        return int(self.entry["price_version"])


@dataclass(frozen=True, slots=True)
class PriceVersion:
    """An entry as published; None and "" where it was published by a file."""

    entry: Entry
    created_s: int | None
    created_by: str

    @property
    def number(self) -> int:
        return int(self.entry["price_version"])


class HeadChanged(Exception):
    """Somebody else changed the model, or made the version, since it was read."""


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
