"""An account's calls: lists, one of them explained, summaries and CSV, in reads of bounded size."""

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

from multiconnection.catalog.service import PriceBook, version_of
from multiconnection.errors import ApiKeyInvalid, RequestInvalid, UsageNotFound
from multiconnection.ids import TIME_MAX, began_s, hold_id_of, request_id_of
from multiconnection.keys.models import LastUses
from multiconnection.keys.store import KeysTable
from multiconnection.ledger.models import Account, UsageRow
from multiconnection.ledger.store import Store
from multiconnection.money import nano_to_usd
from multiconnection.ports import Clock, Rng
from multiconnection.retry import Reliable, readable, unavailable_as
from multiconnection.usage import USAGE_COUNTS

from .models import (
    Batch,
    CallFigures,
    CallPage,
    Day,
    ExplainedCall,
    Group,
    Summary,
    Totals,
    UsageFilter,
    UsagePage,
)
from .price_lines import price_lines, why
from .store import UsageHistoryTable

# One page of a filtered list reads at most so many rows; fewer results with a cursor are better than a slow page.
ROWS_READ_MAX = 2000
# Rows of one read while looking for those that a filter lets through.
ROWS_PER_READ = 500
READ_ATTEMPTS_MAX = 3
# The last use of a key is read from the newest calls: a write per call would cost more than it is worth.
LAST_USED_ROWS = 200
# A stream closes after its last event is out, so a program can ask for the row a moment too early.
PENDING_POLLS_MAX = 20
PENDING_PAUSE_S = 0.1
DAY_S = 86_400
RANGE_S_MAX = 366 * DAY_S
SUMMARY_S = 30 * DAY_S
# About twenty reads of a megabyte each: seconds, not minutes.
SUMMARY_ROWS_MAX = 50_000
CSV_ROWS_PER_CHUNK = 500
EPOCH = date(1970, 1, 1)
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
# A spreadsheet runs a text that begins with one of these as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class UsageHistory:
    """Reads of the table, each repeated a few times: one lost reply of hundreds must not cut a download."""

    def __init__(self, table: UsageHistoryTable, rng: Rng) -> None:
        self._table = table
        self._read = Reliable(rng, "Your usage cannot be read at the moment, please try again.", READ_ATTEMPTS_MAX)

    async def page(self, account_id: str, wanted: UsageFilter, after: str | None, limit: int) -> UsagePage:
        """Up to `limit` rows; fewer, with a cursor, if the filter let too few of many through.

        Raises RequestInvalid for a wrong cursor, or LedgerUnavailable.
        """
        if after is not None and not wanted.has(after):
            raise RequestInvalid("'cursor' is not a place in this list.", param="cursor")
        found: list[UsageRow] = []
        read = 0
        while True:
            size = min(ROWS_PER_READ, ROWS_READ_MAX - read) if wanted.is_selective else limit + 1 - len(found)
            batch = await self._read(partial(self._table.rows, account_id, wanted, after, size))
            found += batch.found
            read, after = read + batch.read, batch.after
            if len(found) > limit:
                return UsagePage(found[:limit], found[limit - 1].hold_id)
            if after is None or read >= ROWS_READ_MAX:
                return UsagePage(found, after)

    async def batches(self, account_id: str, wanted: UsageFilter) -> AsyncIterator[Sequence[UsageRow]]:
        """All rows, newest first, as they are read. Raises LedgerUnavailable."""
        after: str | None = None
        while True:
            batch = await self._read(partial(self._table.bulk, account_id, wanted, after))
            yield batch.found
            if batch.after is None:
                return
            after = batch.after

    async def figures(self, account_id: str, wanted: UsageFilter, rows_max: int) -> AsyncIterator[Batch[CallFigures]]:
        """Figures of at most `rows_max` rows; the last `after` is None if those were all. Raises LedgerUnavailable."""
        after: str | None = None
        read = 0
        while True:
            batch = await self._read(partial(self._table.figures, account_id, wanted, after, rows_max - read))
            yield batch
            read, after = read + batch.read, batch.after
            if after is None or read >= rows_max:
                return

    async def last_uses(self, account_id: str) -> LastUses:
        """The last uses of an account's keys, according to its newest calls. Raises LedgerUnavailable."""
        times: dict[tuple[str, str], int] = {}
        batch = await self._read(partial(self._table.figures, account_id, UsageFilter(), None, LAST_USED_ROWS))
        for row in batch.found:
            times.setdefault((row.key_id, row.secret), began_s(row.hold_id))
        return LastUses(times, 0 if batch.after is None else began_s(batch.after))


@dataclass(frozen=True, slots=True)
class UsageService:
    """Usage rows and balance of an API caller; the call of another account is not found."""

    store: Store

    async def row(self, account_id: str, request_id: str) -> UsageRow:
        """Raises UsageNotFound, whose details say whether the call is still running, or LedgerUnavailable."""
        hold_id = hold_id_of(request_id)
        if hold_id is None:
            raise _not_found(request_id)
        with unavailable_as("The usage table cannot be read at the moment."):
            return await self._decided(account_id, hold_id, request_id)

    async def account(self, account_id: str) -> Account:
        """Raises ApiKeyInvalid or LedgerUnavailable."""
        with unavailable_as("The balance cannot be read at the moment."):
            account = await self.store.account(account_id)
        if account is None:
            raise ApiKeyInvalid("The account of this API key does not exist.")
        return account

    async def _decided(self, account_id: str, hold_id: str, request_id: str) -> UsageRow:
        """Wait a little for a call that is still running."""
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


@dataclass(frozen=True, slots=True)
class CallHistory:
    """The calls of a signed-in user. All methods raise LedgerUnavailable."""

    history: UsageHistory
    rows: UsageService
    prices: PriceBook
    keys: KeysTable
    clock: Clock

    async def page(self, account_id: str, wanted: UsageFilter, after: str | None, limit: int) -> CallPage:
        """Newest first. Raises RequestInvalid."""
        page = await self.history.page(account_id, wanted, after, limit)
        return CallPage(await self._explained(page.rows), page.after)

    async def call(self, account_id: str, request_id: str) -> ExplainedCall:
        """Raises UsageNotFound, also for the call of another account."""
        return (await self._explained([await self.rows.row(account_id, request_id)]))[0]

    async def summary(self, account_id: str, wanted: UsageFilter, group: Group | None, tz_offset_min: int) -> Summary:
        """Totals by day, and by model or key within each day. Raises RequestInvalid."""
        wanted = self._bounded(wanted, SUMMARY_S)
        summary = await summarise(self.history, account_id, wanted, group, tz_offset_min)
        return replace(summary, labels=await self._key_names(account_id)) if group == "key" else summary

    async def csv(self, account_id: str, wanted: UsageFilter) -> AsyncGenerator[bytes, None]:
        """The header with the first rows, then the rest as it is read. Raises RequestInvalid."""
        wanted = self._bounded(wanted, RANGE_S_MAX)
        start = csv_header()
        async for batch in self.history.batches(account_id, wanted):
            for at in range(0, len(batch), CSV_ROWS_PER_CHUNK):
                yield start + csv_rows(batch[at : at + CSV_ROWS_PER_CHUNK])
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

    async def _explained(self, rows: Sequence[UsageRow]) -> list[ExplainedCall]:
        with readable("The prices of your calls"):
            models = await self.prices.of(rows)
        return [ExplainedCall(row, price_lines(row, models.get(version_of(row))), why(row)) for row in rows]

    async def _key_names(self, account_id: str) -> Mapping[str, str]:
        with readable("Your keys"):
            keys = await self.keys.list(account_id)
        return {key.key_id: key.name for key in keys}


async def summarise(
    history: UsageHistory,
    account_id: str,
    wanted: UsageFilter,
    group: Group | None,
    tz_offset_min: int,
    rows_max: int = SUMMARY_ROWS_MAX,
) -> Summary:
    """`tz_offset_min` is how far the days are ahead of UTC. Raises LedgerUnavailable."""
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


def csv_header() -> bytes:
    return _csv([COLUMNS])


def csv_rows(rows: Iterable[UsageRow]) -> bytes:
    """Exact figures, ISO 8601 times in UTC, and no cell that a spreadsheet would run."""
    return _csv(_cells(row) for row in rows)


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


def _csv(rows: Iterable[Iterable[str | int]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _not_found(request_id: str) -> UsageNotFound:
    return UsageNotFound(f"There is no usage row for {request_id[:64]!r}.", param="request_id")
