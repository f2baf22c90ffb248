"""What a person may ask of a new API key, checked before anything is stored."""

from collections.abc import Iterable
from ipaddress import ip_network

from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.money import MoneyError, require_amount

NAME_CHARS_MAX = 100
# Both lists live in the key's item and are walked on every call.
MODELS_MAX = 100
MODEL_CHARS_MAX = 200
IP_RANGES_MAX = 50
# Far above any real limit, and far below where a unit would take less than a nanosecond.
PER_MINUTE_MAX = 10**9


def require_name(name: str) -> str:
    return _text(name, NAME_CHARS_MAX, "name")


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
