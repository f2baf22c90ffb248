"""The console's API as one object: what the routes below /api need besides accounts, orders and administration."""

from collections.abc import Callable
from dataclasses import dataclass

from multiconnection.domain.ports import Clock, Rng
from multiconnection.ledger.store import Store

from .console_keys import ConsoleKeys
from .console_money import ConsoleMoney
from .console_quota import ConsoleQuota
from .console_usage import ConsoleUsage
from .key_changes import KeyChanges, KeyChangeStore, KeyRecords
from .key_wishes import CatalogReader, KeyWishes
from .keys import KeyService
from .limit_store import LimitStore
from .price_book import PriceBook, PriceVersions
from .usage import UsageService
from .usage_history import UsageHistory, UsageReader


@dataclass(frozen=True, slots=True)
class Console:
    keys: ConsoleKeys
    usage: ConsoleUsage
    money: ConsoleMoney
    quota: ConsoleQuota


def console(
    records: KeyRecords,
    changes: KeyChangeStore,
    books: Store,
    reader: UsageReader,
    versions: PriceVersions,
    catalog: CatalogReader,
    limits: LimitStore,
    on_limit_error: Callable[[str], None],
    clock: Clock,
    rng: Rng,
) -> Console:
    """Put together from its ports."""
    history = UsageHistory(reader, rng)
    keys = ConsoleKeys(
        keys=KeyService(records, books, clock, rng),
        records=records,
        changes=KeyChanges(records, changes, books, clock, rng),
        accounts=books,
        wishes=KeyWishes(catalog),
        history=history,
        clock=clock,
    )
    usage = ConsoleUsage(history, UsageService(books), PriceBook(versions), records, clock)
    return Console(keys, usage, ConsoleMoney(books), ConsoleQuota(limits, clock, on_limit_error))
