"""The administrators' log: entries that are written together with what they tell about, and the list of them.

A change and its entry are one transaction wherever the change is one of tables (accounts, adjustments, catalog,
switches): neither exists without the other, and `before` is what the transaction's own conditions have checked. What is
no change of a table (a reconciliation) is logged before it begins. Either way nothing happens unlogged.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from multiconnection.domain import base62
from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.ids import random_text
from multiconnection.domain.ports import Clock, Rng
from multiconnection.observability.correlation import correlation

from .admin_access import Reliable
from .audit import AuditEntry, Facts

_MS_CHARS, _RANDOM_CHARS = 8, 6
_ID = re.compile(rf"aud_[0-9A-Za-z]{{{_MS_CHARS + _RANDOM_CHARS}}}")


class AuditEntries:
    """Makes entries; whoever changes something hands one to the store that changes it."""

    def __init__(self, clock: Clock, rng: Rng) -> None:
        self._clock = clock
        self._rng = rng
        self._last_ms = 0

    def of(self, actor: str, action: str, subject: str, before: Facts, after: Facts, why: str = "") -> AuditEntry:
        """With an id of its own: a transaction that is repeated with it is carried out once."""
        now_ms = int(self._clock.now() * 1000)
        # Two of one millisecond keep their order.
        self._last_ms = max(now_ms, self._last_ms + 1)
        return AuditEntry(
            entry_id=f"{entry_bound(self._last_ms)}{random_text(self._rng, _RANDOM_CHARS)}",
            at_s=now_ms // 1000,
            actor=actor,
            action=action,
            subject=subject,
            before=before,
            after=after,
            reason=why,
            request_id=correlation().get("request_id", ""),
        )


def entry_bound(ms: int) -> str:
    """Not after any entry of this millisecond, and after every entry before it."""
    return f"aud_{base62.encode(max(0, ms), _MS_CHARS)}"


def entry_ms(entry_id: str) -> int:
    return base62.decode(entry_id[4 : 4 + _MS_CHARS])


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """`action` is an action or the first part of one: "order" finds "order.approved"."""

    actor: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """`after` continues the list; a page may be short, or empty, and have a next one."""

    entries: Sequence[AuditEntry]
    after: str | None


class AuditReader(Protocol):
    async def page(self, before_id: str, wanted: AuditFilter, limit: int) -> AuditPage:
        """Entries before that id, newest first; raises StoreError."""


class AuditTrail:
    def __init__(self, reader: AuditReader, reliable: Reliable, clock: Clock) -> None:
        self._reader = reader
        self._reliable = reliable
        self._clock = clock

    async def page(self, cursor: str | None, wanted: AuditFilter, limit: int) -> AuditPage:
        """Newest first. Raises RequestInvalid for a cursor that is none, or LedgerUnavailable."""
        if cursor is not None and not _ID.fullmatch(cursor):
            raise RequestInvalid("'cursor' is not a place in this list.", param="cursor")
        # Another process's clock may be ahead of ours.
        before_id = cursor or f"{entry_bound(int(self._clock.now() * 1000) + 600_000)}{'z' * _RANDOM_CHARS}"
        return await self._reliable(lambda: self._reader.page(before_id, wanted, limit))
