"""Parameters whose cost no hold can cover: they are refused, never forwarded."""

from collections.abc import Iterable, Mapping
from typing import Any

from multiconnection.domain.errors import ParameterUnsupported

# At every provider. `models`, `provider`, `route` and `preset` choose another model or host, at its own price.
ALWAYS_REFUSED = frozenset(
    {
        "plugins",
        "models",
        "provider",
        "route",
        "preset",
        "background",
        "previous_response_id",
        "conversation",
        "best_of",
    }
)
# Values that cost what the price list says.
_AT_LIST_PRICE: Mapping[str, tuple[object, ...]] = {"service_tier": (None, "auto", "default"), "store": (None, False)}
_WHY = {
    "service_tier": "Only the default `service_tier` is offered.",
    "store": "`store` is not offered: answers are not kept.",
}


def refuse_unbounded(body: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raises ParameterUnsupported for the first of `names` that asks for something."""
    for name in sorted(names):
        if body.get(name) not in _AT_LIST_PRICE.get(name, (None,)):
            why = _WHY.get(name, f"`{name}` is not offered: its cost cannot be bounded.")
            raise ParameterUnsupported(why, param=name)
