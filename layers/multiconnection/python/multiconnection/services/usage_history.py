"""An account's calls in a range of time, newest first, in reads of bounded size."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from multiconnection.domain.api_keys import ApiKey
from multiconnection.domain.call_times import TIME_MAX, began_s, id_bound
from multiconnection.domain.errors import LedgerUnavailable, RequestInvalid
from multiconnection.domain.ports import Rng
from multiconnection.domain.usage import Ended
from multiconnection.ledger.accounts import UsageRow
from multiconnection.ledger.retry import Retry
from multiconnection.ledger.store import StoreError

# What one page of a filtered list may read; fewer rows with a cursor are better than a slow page.
ROWS_READ_MAX = 2000
# Rows of one read while looking for those that a filter lets through.
ROWS_PER_READ = 500
READ_ATTEMPTS_MAX = 3
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
        """Whether rows of the range can fail to match."""
        return not (self.model is None and self.key_id is None and self.ended is None)

    def has(self, hold_id: str) -> bool:
        """Whether the range of time has such an id: a cursor from elsewhere is no place in this list."""
        return bool(_HOLD_ID.fullmatch(hold_id)) and id_bound(self.since_s) <= hold_id < id_bound(self.until_s)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a summary, or a list of keys, needs of a row; `cost` is in n$."""

    hold_id: str
    model: str
    key_id: str
    secret: str
    cost: int
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Rows:
    """One read. `read` counts what was looked at, `after` is the id to go on after, None at the end."""

    found: Sequence[UsageRow]
    read: int
    after: str | None


@dataclass(frozen=True, slots=True)
class FiguresRead:
    found: Sequence[Figures]
    read: int
    after: str | None


@dataclass(frozen=True, slots=True)
class LastUses:
    """When each secret was last used, by key id and `ApiKey.digits`, as far as the newest calls tell.

    `since_s` is the time of the oldest call that was looked at, 0 where that was all of them.
    """

    times: Mapping[tuple[str, str], int]
    since_s: int

    def of(self, key: ApiKey) -> int | None:
        """A call whose secret is not known counts for every secret that existed then: none looks idle by mistake."""
        known_s, unknown_s = self.times.get((key.key_id, key.digits)), self.times.get((key.key_id, ""))
        if unknown_s is None or unknown_s < key.created_s:
            return known_s
        return unknown_s if known_s is None else max(known_s, unknown_s)


class UsageReader(Protocol):
    async def rows(self, account_id: str, wanted: UsageFilter, after: str | None, limit: int) -> Rows:
        """One strongly consistent read of at most `limit` rows, before the filter; raises StoreError."""

    async def bulk(self, account_id: str, wanted: UsageFilter, after: str | None) -> Rows:
        """One eventually consistent read of up to a megabyte; raises StoreError."""

    async def figures(self, account_id: str, wanted: UsageFilter, after: str | None, limit: int) -> FiguresRead:
        """As `bulk`, without what a summary does not need."""


@dataclass(frozen=True, slots=True)
class UsagePage:
    rows: Sequence[UsageRow]
    after: str | None


@contextmanager
def readable(what: str) -> Iterator[None]:
    try:
        yield
    except StoreError as exc:
        raise LedgerUnavailable(f"{what} cannot be read at the moment, please try again.", retry_after_s=1) from exc


class UsageHistory:
    """Reads are repeated a few times: one lost reply of hundreds must not cut a download."""

    def __init__(self, reader: UsageReader, rng: Rng) -> None:
        self._reader = reader
        self._retry = Retry(rng)

    async def page(self, account_id: str, wanted: UsageFilter, after: str | None, limit: int) -> UsagePage:
        """Up to `limit` rows; fewer, with a place to go on, where the filter let too few of many through.

        Raises RequestInvalid for a cursor that is none, or LedgerUnavailable.
        """
        if after is not None and not wanted.has(after):
            raise RequestInvalid("'cursor' is not a place in this list.", param="cursor")
        found: list[UsageRow] = []
        read = 0
        while True:
            size = min(ROWS_PER_READ, ROWS_READ_MAX - read) if wanted.is_selective else limit + 1 - len(found)
            batch = await self._read(partial(self._reader.rows, account_id, wanted, after, size))
            found += batch.found
            read, after = read + batch.read, batch.after
            if len(found) > limit:
                return UsagePage(found[:limit], found[limit - 1].hold_id)
            if after is None or read >= ROWS_READ_MAX:
                return UsagePage(found, after)

    async def batches(self, account_id: str, wanted: UsageFilter) -> AsyncIterator[Sequence[UsageRow]]:
        """Everything there is, newest first, as it is read. Raises LedgerUnavailable."""
        after: str | None = None
        while True:
            batch = await self._read(partial(self._reader.bulk, account_id, wanted, after))
            yield batch.found
            if batch.after is None:
                return
            after = batch.after

    async def figures(self, account_id: str, wanted: UsageFilter, rows_max: int) -> AsyncIterator[FiguresRead]:
        """At most `rows_max` rows; the last one's `after` tells whether there are more. Raises LedgerUnavailable."""
        after: str | None = None
        read = 0
        while True:
            batch = await self._read(partial(self._reader.figures, account_id, wanted, after, rows_max - read))
            yield batch
            read, after = read + batch.read, batch.after
            if after is None or read >= rows_max:
                return

    async def last_uses(self, account_id: str, rows_max: int) -> LastUses:
        """As far as the newest `rows_max` calls tell. Raises LedgerUnavailable."""
        times: dict[tuple[str, str], int] = {}
        batch = await self._read(partial(self._reader.figures, account_id, UsageFilter(), None, rows_max))
        for row in batch.found:
            times.setdefault((row.key_id, row.secret), began_s(row.hold_id))
        return LastUses(times, 0 if batch.after is None else began_s(batch.after))

    async def _read(self, read: Callable[[], Awaitable[T]]) -> T:
        with readable("Your usage"):
            return await self._retry(read, READ_ATTEMPTS_MAX)
