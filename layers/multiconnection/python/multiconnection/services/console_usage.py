"""The signed-in user's calls: a list, one of them, a summary, all of them as CSV."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace

from multiconnection.domain.api_keys import ApiKey
from multiconnection.domain.call_times import TIME_MAX
from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.ports import Clock
from multiconnection.ledger.accounts import UsageRow

from . import usage_csv
from .explain import why
from .key_changes import KeyRecords
from .price_book import PriceBook, version_of
from .price_lines import Line, price_lines
from .usage import UsageService
from .usage_history import UsageFilter, UsageHistory, readable
from .usage_summary import DAY_S, Group, Summary, summarise

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
        start = usage_csv.header()
        async for batch in self.history.batches(account_id, wanted):
            for at in range(0, len(batch), CSV_ROWS_PER_CHUNK):
                yield start + usage_csv.lines(batch[at : at + CSV_ROWS_PER_CHUNK])
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
