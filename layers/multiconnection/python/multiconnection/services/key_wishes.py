"""What a person asks for a key in the console's words, as the fields of its record."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from multiconnection.domain.catalog import Catalog
from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.money import MoneyError, usd_to_nano
from multiconnection.schemas.console import KeyPatch

from . import key_request as ask
from .keys import ACTIVE, DISABLED


class CatalogReader(Protocol):
    async def catalog(self) -> Catalog:
        """Raises LedgerUnavailable."""


class KeyWishes:
    def __init__(self, catalog: CatalogReader) -> None:
        self._catalog = catalog

    async def settings(self, body: KeyPatch, now_s: float) -> dict[str, Any]:
        """Fields of `ApiKey` for the members that were sent. Raises RequestInvalid or LedgerUnavailable."""
        read = self._readers(now_s)
        found: dict[str, Any] = {}
        for member in sorted(body.model_fields_set & read.keys()):
            field, convert = read[member]
            found[field] = convert(getattr(body, member))
        if "models" in body.model_fields_set:
            found["models"] = await self._model_ids(body.models or ())
        return found

    def _readers(self, now_s: float) -> Mapping[str, tuple[str, Callable[[Any], Any]]]:
        return {
            "name": ("name", _name),
            "budget": ("budget_nano", _budget),
            "requests_per_minute": (
                "requests_per_minute",
                lambda limit: ask.require_limit(limit, "requests_per_minute"),
            ),
            "tokens_per_minute": ("tokens_per_minute", lambda limit: ask.require_limit(limit, "tokens_per_minute")),
            "ips": ("ip_ranges", lambda ranges: ask.require_ip_ranges(ranges or (), "ips")),
            "expires_at": ("expires_s", lambda expires_s: ask.require_expiry(expires_s, now_s)),
            "disabled": ("status", lambda disabled: DISABLED if disabled else ACTIVE),
        }

    async def _model_ids(self, names: Iterable[str]) -> tuple[str, ...]:
        """Ids, also for aliases: calls are compared by id."""
        wanted = ask.require_models(names)
        by_name = (await self._catalog.catalog()).by_name if wanted else {}
        if unknown := [name for name in wanted if name not in by_name]:
            raise RequestInvalid(f"The model {unknown[0][:128]!r} does not exist.", param="models")
        return tuple(dict.fromkeys(by_name[name].id for name in wanted))


def _name(name: str | None) -> str:
    if not name or not name.strip():
        raise RequestInvalid("A key needs a name.", param="name")
    return ask.require_name(name.strip())


def _budget(usd: str | None) -> int | None:
    if usd is None:
        return None
    try:
        return ask.require_budget(usd_to_nano(usd))
    except MoneyError as exc:
        raise RequestInvalid(f"'budget' must be an amount in USD such as \"5.00\": {exc}.", param="budget") from exc
