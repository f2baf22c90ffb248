"""The ids that every line of one request carries: request and account, never a key and never a prompt."""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

_NOTHING: Mapping[str, str] = MappingProxyType({})
_ids: ContextVar[Mapping[str, str]] = ContextVar("correlation", default=_NOTHING)


def begin_correlation(request_id: str) -> None:
    """From here on in this task, and in the tasks it starts."""
    _ids.set({"request_id": request_id})


def note_account(account_id: str) -> None:
    """The caller is known: also to the tasks that this request has started already."""
    ids = _ids.get()
    if isinstance(ids, dict):
        ids["account_id"] = account_id


def correlation() -> Mapping[str, str]:
    return _ids.get()
