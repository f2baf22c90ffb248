"""Bodies and answers of /api/keys. Bodies are strict: a misspelt member of our own pages is a mistake."""

from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from multiconnection.errors import RequestInvalid
from multiconnection.money import MoneyError, nano_to_usd, usd_to_nano
from multiconnection.web.openapi import AnswerModel, Money, Time
from multiconnection.web.validation import items

from .models import ACTIVE, DISABLED, PREFIX, KeyView

NAME_CHARS_MAX = 80
OVERLAP_S_MAX = 7 * 86400
# Far above any real limit, and far below where a unit would take less than a nanosecond.
PER_MINUTE_MAX = 10**9
# Both lists are stored in the key's item and searched on every call.
MODELS_MAX, MODEL_CHARS_MAX = 100, 200
IP_RANGES_MAX, IP_RANGE_CHARS_MAX = 50, 50
# Bounds the work of validation; the limits above have error messages of their own.
ENTRIES_MAX = 1024
Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]


class ConsoleBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class KeySettings(ConsoleBody):
    """`budget` is a decimal string in USD; null takes a limit away, an empty list allows everything.

    The validators raise RequestInvalid.
    """

    budget: str | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    models: Annotated[list[str], items(ENTRIES_MAX)] | None = None
    ips: Annotated[list[str], items(ENTRIES_MAX)] | None = None
    expires_at: int | None = None

    def fields(self) -> dict[str, Any]:
        """The members that were sent, as fields of `ApiKey`."""
        every = {
            "budget": ("budget_nano", None if self.budget is None else usd_to_nano(self.budget)),
            "requests_per_minute": ("requests_per_minute", self.requests_per_minute),
            "tokens_per_minute": ("tokens_per_minute", self.tokens_per_minute),
            "models": ("models", tuple(self.models or ())),
            "ips": ("ip_ranges", tuple(self.ips or ())),
            "expires_at": ("expires_s", self.expires_at),
        }
        return dict(every[member] for member in every.keys() & self.model_fields_set)

    @field_validator("name", check_fields=False)
    @classmethod
    def _stripped(cls, name: str | None) -> str:
        if not name or not name.strip():
            raise RequestInvalid("A key needs a name.", param="name")
        return _printable(name.strip(), NAME_CHARS_MAX, "name")

    @field_validator("budget")
    @classmethod
    def _above_zero(cls, usd: str | None) -> str | None:
        try:
            if usd is None or usd_to_nano(usd) > 0:
                return usd
        except MoneyError as exc:
            message = f"'budget' must be an amount in USD such as \"5.00\": {exc}."
            raise RequestInvalid(message, param="budget") from exc
        raise RequestInvalid("'budget' must be more than nothing.", param="budget")

    @field_validator("requests_per_minute", "tokens_per_minute")
    @classmethod
    def _within_bounds(cls, limit: int | None, info: ValidationInfo) -> int | None:
        if limit is not None and not 0 < limit <= PER_MINUTE_MAX:
            message = f"'{info.field_name}' must be a whole number from 1 to {PER_MINUTE_MAX}."
            raise RequestInvalid(message, param=info.field_name)
        return limit

    @field_validator("models")
    @classmethod
    def _model_names(cls, models: list[str] | None) -> list[str] | None:
        found = [_printable(model, MODEL_CHARS_MAX, "models") for model in models or ()]
        if len(found) > MODELS_MAX or not all(found):
            raise RequestInvalid(f"'models' takes up to {MODELS_MAX} model ids.", param="models")
        return models

    @field_validator("ips")
    @classmethod
    def _canonical_ranges(cls, ips: list[str] | None) -> list[str]:
        """Addresses and CIDR ranges of both families; host bits are cut off."""
        texts = [_printable(range_, IP_RANGE_CHARS_MAX, "ips") for range_ in ips or ()]
        try:
            found = [str(ip_network(text, strict=False)) for text in texts]
        except ValueError as exc:
            raise RequestInvalid(f"'ips' must be addresses or CIDR ranges: {exc}.", param="ips") from exc
        if len(found) > IP_RANGES_MAX:
            raise RequestInvalid(f"'ips' takes up to {IP_RANGES_MAX} ranges.", param="ips")
        return found


class KeyBody(KeySettings):
    """A new key."""

    name: Name


class KeyPatch(KeySettings):
    """Changes of a key; members that are left out stay as they are."""

    name: Name | None = None
    disabled: bool = False

    def fields(self) -> dict[str, Any]:
        every = {"name": ("name", self.name), "disabled": ("status", DISABLED if self.disabled else ACTIVE)}
        return super().fields() | dict(every[member] for member in every.keys() & self.model_fields_set)


class RotateBody(ConsoleBody):
    """`overlap_s` is how long the old secret is still accepted."""

    overlap_s: Annotated[int, Field(ge=0, le=OVERLAP_S_MAX)]


class SessionKeyBody(ConsoleBody):
    """Empty: the limits of a playground key are fixed."""


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

    @classmethod
    def of(cls, view: KeyView, **more: Any) -> Self:
        key = view.key
        return cls(
            id=key.public_id,
            name=key.name,
            prefix=f"{PREFIX}…",
            last4=key.last4,
            created=key.created_s,
            last_used=view.last_used_s,
            unused_since=view.unused_since_s,
            replaced=bool(key.replaced_by),
            status=view.status,
            expires_at=key.expires_s,
            budget=None if key.budget_nano is None else nano_to_usd(key.budget_nano),
            budget_left=None if view.budget_left_nano is None else nano_to_usd(view.budget_left_nano),
            requests_per_minute=key.requests_per_minute,
            tokens_per_minute=key.tokens_per_minute,
            models=list(key.models),
            ips=list(key.ip_ranges),
            kind=key.kind,
            **more,
        )


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


def _printable(text: str, chars_max: int, param: str) -> str:
    """Raises RequestInvalid for text that cannot be stored, logged and shown everywhere."""
    if len(text) > chars_max or not text.isprintable():
        raise RequestInvalid(f"'{param}' must be printable text of up to {chars_max} characters.", param=param)
    return text
