"""The signed-in user's balance, and every movement of money into it."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from multiconnection.errors import RequestInvalid
from multiconnection.ledger.models import Account, CreditRow
from multiconnection.retry import readable

# Credits have ids of many shapes and are few; all of them are read to be put in order.
CREDITS_MAX = 5000
_CURSOR = re.compile(r"(\d{1,15})\.(.{1,200})")


class Books(Protocol):
    """The reading part of the ledger's `Store`."""

    async def account(self, account_id: str) -> Account | None: ...
    def credit_rows(self, account_id: str) -> AsyncIterator[CreditRow]: ...


@dataclass(frozen=True, slots=True)
class Balance:
    """All in n$; `credits_in` is `available` + `in_flight` + `charged`."""

    available: int = 0
    in_flight: int = 0
    credits_in: int = 0
    charged: int = 0


@dataclass(frozen=True, slots=True)
class CreditPage:
    rows: Sequence[CreditRow]
    after: str | None


@dataclass(frozen=True, slots=True)
class ConsoleMoney:
    books: Books

    async def balance(self, account_id: str) -> Balance:
        """Nothing of everything where no account is open yet. Raises LedgerUnavailable."""
        with readable("Your balance"):
            account = await self.books.account(account_id)
        if account is None:
            return Balance()
        return Balance(account.available, account.held, account.credits_in, account.charged)

    async def credits(self, account_id: str, after: str | None, limit: int) -> CreditPage:
        """Newest first. Raises RequestInvalid for a cursor that is none, or LedgerUnavailable."""
        place = None if after is None else _place(after)
        rows = sorted(await self._all(account_id), key=_order)
        if place is not None:
            rows = [row for row in rows if _order(row) > place]
        page = rows[:limit]
        return CreditPage(page, _cursor(page[-1]) if len(rows) > limit else None)

    async def _all(self, account_id: str) -> list[CreditRow]:
        rows: list[CreditRow] = []
        with readable("Your credits"):
            async for row in self.books.credit_rows(account_id):
                rows.append(row)
                if len(rows) >= CREDITS_MAX:
                    break
        return rows


def _order(row: CreditRow) -> tuple[int, str]:
    return -row.created_ms, row.credit_id


def _cursor(row: CreditRow) -> str:
    return f"{row.created_ms}.{row.credit_id}"


def _place(cursor: str) -> tuple[int, str]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise RequestInvalid("'cursor' is not a place in this list.", param="cursor")
    return -int(found[1]), found[2]
