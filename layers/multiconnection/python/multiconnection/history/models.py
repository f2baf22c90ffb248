"""An account's calls: which of them are asked for, what one read of them gives, and what a summary adds up."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from multiconnection.ids import TIME_MAX, id_bound
from multiconnection.ledger.models import UsageRow
from multiconnection.usage import Ended

from .price_lines import Line

Group = Literal["model", "key"]
T = TypeVar("T")
_HOLD_ID = re.compile(r"[0-9A-Za-z]{12}")


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Calls that arrived from `since_s` on and before `until_s`; None filters nothing."""

    since_s: int = 0
    until_s: int = TIME_MAX
    model: str | None = None
    key_id: str | None = None
    ended: Ended | None = None

    @property
    def is_selective(self) -> bool:
        """True if rows of the range can fail to match."""
        return not (self.model is None and self.key_id is None and self.ended is None)

    def has(self, hold_id: str) -> bool:
        """True if an id is in the range of time, as a cursor of this list has to be."""
        return bool(_HOLD_ID.fullmatch(hold_id)) and id_bound(self.since_s) <= hold_id < id_bound(self.until_s)


@dataclass(frozen=True, slots=True)
class CallFigures:
    """The part of a usage row that a summary, or a list of keys, needs; `cost` is in n$."""

    hold_id: str
    model: str
    key_id: str
    secret: str
    cost: int
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """One read. `read` counts rows before the filter; `after` is the id to continue after, None at the end."""

    found: Sequence[T]
    read: int
    after: str | None


@dataclass(frozen=True, slots=True)
class UsagePage:
    rows: Sequence[UsageRow]
    after: str | None


@dataclass(frozen=True, slots=True)
class ExplainedCall:
    """A usage row with what it takes to check its charge by hand."""

    row: UsageRow
    lines: Sequence[Line]
    why: str


@dataclass(frozen=True, slots=True)
class CallPage:
    calls: Sequence[ExplainedCall]
    after: str | None


@dataclass(slots=True)
class Totals:
    """`cost` in n$."""

    calls: int = 0
    cost: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def add(self, row: CallFigures) -> None:
        self.calls += 1
        self.cost += row.cost
        self.tokens_in += row.tokens_in
        self.tokens_out += row.tokens_out


@dataclass(slots=True)
class Day:
    totals: Totals = field(default_factory=Totals)
    groups: dict[str, Totals] = field(default_factory=dict)

    def by_cost(self) -> Sequence[tuple[str, Totals]]:
        """The groups, most expensive first."""
        return sorted(self.groups.items(), key=lambda pair: (-pair[1].cost, -pair[1].calls, pair[0]))


@dataclass(frozen=True, slots=True)
class Summary:
    """`days` are in order and without gaps. If `truncated`, the first one is incomplete and earlier ones are missing.

    `labels` are the names of keys, deleted ones too, if it is grouped by key.
    """

    days: Mapping[str, Day]
    total: Totals
    truncated: bool
    labels: Mapping[str, str] = field(default_factory=dict)
