"""What calls cost us upstream, at the price version of each call.

An entry's `cost_prices` say what the provider takes; a kind without one costs what the list says, without markup.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from multiconnection.domain.catalog import CatalogError, Model, parse_model
from multiconnection.ledger.accounts import UsageRow

from .bounded import Bounded
from .pricing import cost_nano

VERSIONS_MAX = 1000
LONG = "long_context"
Entry = Mapping[str, Any]


class EntryVersions(Protocol):
    async def version_entry(self, model_id: str, price_version: int) -> Entry | None:
        """Raises StoreError."""


class CostBook:
    """One per process: a version never changes, so each is read once."""

    def __init__(self, source: EntryVersions) -> None:
        self._source = source
        self._known: Bounded[tuple[str, int], Model] = Bounded(VERSIONS_MAX)

    async def cost(self, row: UsageRow) -> int | None:
        """n$ of what was consumed, charged or not; None where nobody knows any more. Raises StoreError."""
        model = await self._model(row.model, row.price_version)
        if model is None:
            return None
        try:
            return cost_nano(model, row.usage, 0)
        except CatalogError:
            return None

    async def _model(self, model_id: str, price_version: int) -> Model | None:
        key = (model_id, price_version)
        if (known := self._known.get(key)) is not None:
            return known
        entry = await self._source.version_entry(model_id, price_version)
        if entry is None:
            return None
        try:
            model = parse_model(costing_entry(entry))
        except CatalogError:
            return None
        self._known.put(key, model)
        return model


def costing_entry(entry: Entry) -> dict[str, Any]:
    """The same model at what it costs us."""
    costs: Entry = entry.get("cost_prices", {})
    base = {kind: price for kind, price in costs.items() if kind != LONG}
    made = {**entry, "prices": {**entry["prices"], **base}}
    if LONG in entry:
        made[LONG] = {**entry[LONG], "prices": {**entry[LONG]["prices"], **costs.get(LONG, {})}}
    return made
