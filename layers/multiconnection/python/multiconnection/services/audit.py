"""The audit log as the use cases see it: append-only, one entry for each thing that an administrator did."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Facts = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`before` and `after` are what the action changed; values that are secrets never get here."""

    entry_id: str
    at_s: int
    actor: str
    action: str
    subject: str
    before: Facts
    after: Facts
    reason: str
    request_id: str


class Audit(Protocol):
    async def record(
        self, actor: str, action: str, subject: str, before: Facts, after: Facts, reason: str = ""
    ) -> None:
        """Append one entry; never changes or removes one. Raises StoreError."""
