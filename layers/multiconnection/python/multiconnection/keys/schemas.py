"""Bodies of the console's API. Strict: a misspelt member of our own pages is a mistake, not an extension."""

from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_network
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from multiconnection.catalog.models import Catalog
from multiconnection.errors import RequestInvalid
from multiconnection.money import MoneyError, require_amount, usd_to_nano
from multiconnection.web.openapi import AnswerModel, Money, Time
from multiconnection.web.validation import items

from .models import ACTIVE, DISABLED

NAME_CHARS_MAX = 80
OVERLAP_S_MAX = 7 * 86400
# How many a key may have is for the keys to say.
ENTRIES_MAX = 1024
Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]


class ConsoleBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class KeySettings(ConsoleBody):
    """`budget` is a decimal string in USD; null takes a limit away, an empty list allows everything."""

    budget: str | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    models: Annotated[list[str], items(ENTRIES_MAX)] | None = None
    ips: Annotated[list[str], items(ENTRIES_MAX)] | None = None
    expires_at: int | None = None


class KeyBody(KeySettings):
    """A new key."""

    name: Name


class KeyPatch(KeySettings):
    """Only the members that are sent are changed."""

    name: Name | None = None
    disabled: bool = False


class KeyAnswer(AnswerModel):
    """A key without its secret; `last_used` is null for a key that was never used or not lately."""

    id: str
    name: str
    prefix: str
    last4: str
    created: Time
    last_used: Time | None
    unused_since: Time | None
    replaced: bool
    status: Literal["active", "disabled", "expired"]
    expires_at: Time | None
    budget: Money | None
    budget_left: Money | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    models: list[str]
    ips: list[str]
    kind: Literal["api", "session"]


class NewKeyAnswer(KeyAnswer):
    """The only answer with the secret."""

    secret: str


class RotatedKeyAnswer(AnswerModel):
    new: NewKeyAnswer
    old: KeyAnswer


class SessionKeyAnswer(AnswerModel):
    secret: str
    key_id: str
    expires_at: Time


class RotateBody(ConsoleBody):
    overlap_s: Annotated[int, Field(ge=0, le=OVERLAP_S_MAX)]


class SessionKeyBody(ConsoleBody):
    """Nothing to choose: what a page of the console may spend is ours to say."""


# What a person may ask of a new API key, checked before anything is stored.

KEY_NAME_CHARS_MAX = 100
# Both lists live in the key's item and are walked on every call.
MODELS_MAX = 100
MODEL_CHARS_MAX = 200
IP_RANGES_MAX = 50
# Far above any real limit, and far below where a unit would take less than a nanosecond.
PER_MINUTE_MAX = 10**9


def require_name(name: str) -> str:
    return _text(name, KEY_NAME_CHARS_MAX, "name")


def require_expiry(expires_s: int | None, now_s: float) -> int | None:
    if expires_s is not None and (type(expires_s) is not int or not now_s < expires_s < 10**11):
        raise RequestInvalid("'expires_at' must be a time in the future, in whole seconds.", param="expires_at")
    return expires_s


def require_models(models: Iterable[str]) -> tuple[str, ...]:
    found = tuple(_text(model, MODEL_CHARS_MAX, "models") for model in models)
    if len(found) > MODELS_MAX or not all(found):
        raise RequestInvalid(f"'models' takes up to {MODELS_MAX} model ids.", param="models")
    return found


def require_ip_ranges(ip_ranges: Iterable[str], param: str = "ip_ranges") -> tuple[str, ...]:
    """Addresses and CIDR ranges of both families, in canonical form; host bits are cut off."""
    try:
        found = tuple(str(ip_network(_text(range_, 50, param), strict=False)) for range_ in ip_ranges)
    except ValueError as exc:
        raise RequestInvalid(f"'{param}' must be addresses or CIDR ranges: {exc}.", param=param) from exc
    if len(found) > IP_RANGES_MAX:
        raise RequestInvalid(f"'{param}' takes up to {IP_RANGES_MAX} ranges.", param=param)
    return found


def require_limit(limit: int | None, param: str) -> int | None:
    if limit is not None and (type(limit) is not int or not 0 < limit <= PER_MINUTE_MAX):
        raise RequestInvalid(f"'{param}' must be a whole number from 1 to {PER_MINUTE_MAX}.", param=param)
    return limit


def require_budget(budget_nano: int | None) -> int | None:
    try:
        if budget_nano is None or require_amount(budget_nano) > 0:
            return budget_nano
    except MoneyError as exc:
        raise RequestInvalid("'budget' is not an amount.", param="budget") from exc
    raise RequestInvalid("'budget' must be more than nothing.", param="budget")


def _text(value: str, chars_max: int, param: str) -> str:
    """Printable text, so that it can be stored, logged and shown anywhere."""
    if not isinstance(value, str) or len(value) > chars_max or not value.isprintable():
        raise RequestInvalid(f"'{param}' must be printable text of up to {chars_max} characters.", param=param)
    return value


# What a person asks for a key in the console's words, as the fields of its record.


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
                lambda limit: require_limit(limit, "requests_per_minute"),
            ),
            "tokens_per_minute": ("tokens_per_minute", lambda limit: require_limit(limit, "tokens_per_minute")),
            "ips": ("ip_ranges", lambda ranges: require_ip_ranges(ranges or (), "ips")),
            "expires_at": ("expires_s", lambda expires_s: require_expiry(expires_s, now_s)),
            "disabled": ("status", lambda disabled: DISABLED if disabled else ACTIVE),
        }

    async def _model_ids(self, names: Iterable[str]) -> tuple[str, ...]:
        """Ids, also for aliases: calls are compared by id."""
        wanted = require_models(names)
        by_name = (await self._catalog.catalog()).by_name if wanted else {}
        if unknown := [name for name in wanted if name not in by_name]:
            raise RequestInvalid(f"The model {unknown[0][:128]!r} does not exist.", param="models")
        return tuple(dict.fromkeys(by_name[name].id for name in wanted))


def _name(name: str | None) -> str:
    if not name or not name.strip():
        raise RequestInvalid("A key needs a name.", param="name")
    return require_name(name.strip())


def _budget(usd: str | None) -> int | None:
    if usd is None:
        return None
    try:
        return require_budget(usd_to_nano(usd))
    except MoneyError as exc:
        raise RequestInvalid(f"'budget' must be an amount in USD such as \"5.00\": {exc}.", param="budget") from exc
