"""An account's calls in a range of time, newest first, in reads of bounded size."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Literal, Protocol

from multiconnection.catalog.service import PriceBook, version_of
from multiconnection.errors import ApiKeyInvalid, RequestInvalid, UsageNotFound
from multiconnection.ids import TIME_MAX, began_s, hold_id_of, id_bound, request_id_of
from multiconnection.keys.models import ApiKey, KeyRecords
from multiconnection.ledger.models import Account, UsageRow
from multiconnection.ledger.store import Store
from multiconnection.money import nano_to_usd
from multiconnection.ports import Clock, Rng
from multiconnection.retry import Reliable, readable, unavailable_as
from multiconnection.usage import USAGE_COUNTS, Ended

from .price_lines import Line, price_lines, why

# What one page of a filtered list may read; fewer rows with a cursor are better than a slow page.
ROWS_READ_MAX = 2000
# Rows of one read while looking for those that a filter lets through.
ROWS_PER_READ = 500
READ_ATTEMPTS_MAX = 3
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


class UsageHistory:
    """Reads are repeated a few times: one lost reply of hundreds must not cut a download."""

    def __init__(self, reader: UsageReader, rng: Rng) -> None:
        self._reader = reader
        self._read = Reliable(rng, "Your usage cannot be read at the moment, please try again.", READ_ATTEMPTS_MAX)

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


# A caller's own usage rows and balance.

# A stream closes after its last event is out, so a program can ask for the row a moment too early.
PENDING_POLLS_MAX = 20
PENDING_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class UsageService:
    """Reads only; an id of another account is simply not there."""

    store: Store

    async def row(self, account_id: str, request_id: str) -> UsageRow:
        """Raises UsageNotFound; its details say whether the call is still running."""
        hold_id = hold_id_of(request_id)
        if hold_id is None:
            raise _not_found(request_id)
        with unavailable_as("The usage table cannot be read at the moment."):
            return await self._decided(account_id, hold_id, request_id)

    async def account(self, account_id: str) -> Account:
        with unavailable_as("The balance cannot be read at the moment."):
            account = await self.store.account(account_id)
        if account is None:
            raise ApiKeyInvalid("The account of this API key does not exist.")
        return account

    async def _decided(self, account_id: str, hold_id: str, request_id: str) -> UsageRow:
        for poll in range(PENDING_POLLS_MAX):
            if poll:
                await asyncio.sleep(PENDING_PAUSE_S)
            row = await self.store.usage_row(account_id, hold_id)
            if row is not None:
                return row
            account = await self.store.account(account_id)
            if account is None or hold_id not in account.holds:
                break
        else:
            raise UsageNotFound(
                f"The call {request_id} is still running; its usage row is written when it ends.",
                details={"pending": True},
                retry_after_s=1,
                retryable=True,
            )
        row = await self.store.usage_row(account_id, hold_id)
        if row is None:
            raise _not_found(request_id)
        return row


def _not_found(request_id: str) -> UsageNotFound:
    return UsageNotFound(f"There is no usage row for {request_id[:64]!r}.", param="request_id")


# Calls, cost and tokens by day, and by model or key within each day.

DAY_S = 86_400


# The signed-in user's calls: a list, one of them, a summary, all of them as CSV.

RANGE_S_MAX = 366 * DAY_S
SUMMARY_S = 30 * DAY_S
CSV_ROWS_PER_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Explained:
    """A row with what it takes to check its charge by hand."""

    row: UsageRow
    lines: Sequence[Line]
    why: str


@dataclass(frozen=True, slots=True)
class ExplainedPage:
    calls: Sequence[Explained]
    after: str | None


Group = Literal["model", "key"]


@dataclass(slots=True)
class Totals:
    """`cost` in n$."""

    calls: int = 0
    cost: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def add(self, row: Figures) -> None:
        self.calls += 1
        self.cost += row.cost
        self.tokens_in += row.tokens_in
        self.tokens_out += row.tokens_out


@dataclass(slots=True)
class Day:
    totals: Totals = field(default_factory=Totals)
    groups: dict[str, Totals] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """`days` oldest first, without gaps; where it is truncated, the first one is not whole and there is none before."""

    days: Mapping[str, Day]
    total: Totals
    truncated: bool


@dataclass(frozen=True, slots=True)
class ConsoleUsage:
    """Every method knows the account from the session alone. All raise LedgerUnavailable."""

    history: UsageHistory
    one: UsageService
    prices: PriceBook
    keys: KeyRecords
    clock: Clock

    async def page(self, account_id: str, wanted: UsageFilter, after: str | None, limit: int) -> ExplainedPage:
        """Newest first. Raises RequestInvalid."""
        page = await self.history.page(account_id, wanted, after, limit)
        return ExplainedPage(await self._explained(page.rows), page.after)

    async def call(self, account_id: str, request_id: str) -> Explained:
        """Raises UsageNotFound, the same for another account's call and for none."""
        return (await self._explained([await self.one.row(account_id, request_id)]))[0]

    async def summary(
        self, account_id: str, wanted: UsageFilter, group: Group | None, tz_offset_min: int
    ) -> tuple[Summary, Mapping[str, str]]:
        """And the names of the keys where it is grouped by key; deleted ones too. Raises RequestInvalid."""
        wanted = self._bounded(wanted, SUMMARY_S)
        summary = await summarise(self.history, account_id, wanted, group, tz_offset_min)
        return summary, await self._key_names(account_id) if group == "key" else {}

    async def csv(self, account_id: str, wanted: UsageFilter) -> AsyncGenerator[bytes, None]:
        """The header with the first rows, then the rest as it is read. Raises RequestInvalid."""
        wanted = self._bounded(wanted, RANGE_S_MAX)
        start = header()
        async for batch in self.history.batches(account_id, wanted):
            for at in range(0, len(batch), CSV_ROWS_PER_CHUNK):
                yield start + lines(batch[at : at + CSV_ROWS_PER_CHUNK])
                start = b""
        if start:
            yield start

    def _bounded(self, wanted: UsageFilter, default_s: int) -> UsageFilter:
        """A range with two ends, of at most a year."""
        until_s = wanted.until_s if wanted.until_s != TIME_MAX else int(self.clock.now()) + 1
        since_s = wanted.since_s or max(0, until_s - default_s)
        if not 0 < until_s - since_s <= RANGE_S_MAX:
            raise RequestInvalid("'from' must be before 'to', and by at most 366 days.", param="from")
        return replace(wanted, since_s=since_s, until_s=until_s)

    async def _explained(self, rows: Sequence[UsageRow]) -> list[Explained]:
        with readable("The prices of your calls"):
            models = await self.prices.of(rows)
        return [Explained(row, price_lines(row, models.get(version_of(row))), why(row)) for row in rows]

    async def _key_names(self, account_id: str) -> Mapping[str, str]:
        with readable("Your keys"):
            keys: Sequence[ApiKey] = await self.keys.list(account_id)
        return {key.key_id: key.name for key in keys}


# About twenty reads of a megabyte each: seconds, not minutes.
ROWS_MAX = 50_000
EPOCH = date(1970, 1, 1)


async def summarise(
    history: UsageHistory,
    account_id: str,
    wanted: UsageFilter,
    group: Group | None,
    tz_offset_min: int,
    rows_max: int = ROWS_MAX,
) -> Summary:
    """`tz_offset_min` is what the days are ahead of UTC. Raises LedgerUnavailable."""
    shift_s = tz_offset_min * 60
    days: dict[int, Day] = {}
    total, truncated = Totals(), False
    async for batch in history.figures(account_id, wanted, rows_max):
        for row in batch.found:
            day = days.setdefault((began_s(row.hold_id) + shift_s) // DAY_S, Day())
            day.totals.add(row)
            total.add(row)
            if group is not None:
                day.groups.setdefault(row.model if group == "model" else row.key_id, Totals()).add(row)
        truncated = batch.after is not None
    first = (wanted.since_s + shift_s) // DAY_S
    if truncated:
        first = min(days, default=first)
    last = (wanted.until_s - 1 + shift_s) // DAY_S
    return Summary({_iso(number): days.get(number, Day()) for number in range(first, last + 1)}, total, truncated)


def _iso(number: int) -> str:
    return (EPOCH + timedelta(days=number)).isoformat()


def by_cost(groups: Mapping[str, Totals]) -> Iterator[tuple[str, Totals]]:
    """Dearest first."""
    yield from sorted(groups.items(), key=lambda pair: (-pair[1].cost, -pair[1].calls, pair[0]))


# Usage rows as CSV: exact figures, ISO 8601 times in UTC, and no cell that a spreadsheet would run.

# A text that begins with one of these is a formula to a spreadsheet.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
# Disjoint: each token is in one column; `reasoning` alone is inside `output`.
_COUNTS = tuple(name for name in USAGE_COUNTS if name != "milliseconds")
COLUMNS = (
    "request_id",
    "created",
    "model",
    "key_id",
    "endpoint",
    "streamed",
    *_COUNTS,
    "seconds",
    "image_size",
    "image_quality",
    "cost_usd",
    "hold_usd",
    "overrun_usd",
    "price_version",
    "ended",
    "usage_source",
    "provider",
    "attempts",
    "duration_ms",
)


def header() -> bytes:
    return _lines([COLUMNS])


def lines(rows: Iterable[UsageRow]) -> bytes:
    return _lines(_cells(row) for row in rows)


def _cells(row: UsageRow) -> Iterable[str | int]:
    usage = row.usage
    cells: tuple[str | int, ...] = (
        request_id_of(row.hold_id),
        datetime.fromtimestamp(began_s(row.hold_id), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        row.model,
        row.key_id,
        row.endpoint,
        "true" if row.streamed else "false",
        *(getattr(usage, name) for name in _COUNTS),
        f"{usage.milliseconds // 1000}.{usage.milliseconds % 1000:03d}",
        usage.image_size,
        usage.image_quality,
        nano_to_usd(row.cost),
        nano_to_usd(row.hold),
        nano_to_usd(row.overrun),
        row.price_version,
        row.ended.value,
        row.usage_source.value,
        row.provider,
        row.attempts,
        row.duration_ms,
    )
    return [_harmless(cell) if isinstance(cell, str) else cell for cell in cells]


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _lines(rows: Iterable[Iterable[str | int]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")
