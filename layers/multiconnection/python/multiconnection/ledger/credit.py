"""Credits: a credit row and the balance in one transaction, once for each credit id."""

from collections.abc import Awaitable, Callable

from multiconnection.money import MoneyError, require_amount
from multiconnection.retry import OutcomeUnknown, Retry

from .models import Account, CreditRow
from .store import AccountRefused, AlreadyCredited, CreditBarred, Store

ATTEMPTS_MAX = 5
KINDS = ("order", "grant", "adjustment", "refund")
Put = Callable[[CreditRow], Awaitable[None]]
"""Write a credit row and whatever belongs to it, once. Raises AlreadyCredited, AccountRefused or CreditBarred."""


class CreditRefused(Exception):
    """The credit was not booked. `image` is None if the account does not exist."""

    def __init__(self, message: str, image: Account | None = None) -> None:
        super().__init__(message)
        self.image = image


async def credit(store: Store, retry: Retry, row: CreditRow) -> CreditRow:
    """Credit (or, with a negative adjustment, debit) once; the same id again returns the first row.

    Raises CreditRefused if the id was used for another amount, the account does not exist, or a debit is more than is
    available; MoneyError for an invalid amount.
    """
    require_amount(row.amount)
    if row.kind not in KINDS or not row.amount or (row.amount < 0 and row.kind != "adjustment"):
        raise MoneyError(f"{row.amount} is no amount for a credit of kind {row.kind!r}")
    return await _once(retry, row, store.credit)


async def credit_order(retry: Retry, row: CreditRow, put: Put) -> CreditRow:
    """Credit an approved order, whose id is the credit's id; the same order again returns the first row.

    `put` writes J, A and the order in one transaction. Raises CreditRefused also if the order is not approved for this
    account and amount.
    """
    require_amount(row.amount)
    if row.kind != "order" or row.amount <= 0:
        raise MoneyError(f"{row.amount} of kind {row.kind!r} is no credit of an order")
    return await _once(retry, row, put)


async def _once(retry: Retry, row: CreditRow, put: Put) -> CreditRow:
    unknown = False

    async def write() -> None:
        nonlocal unknown
        try:
            await put(row)
        except OutcomeUnknown:
            unknown = True
            raise

    try:
        await retry(write, ATTEMPTS_MAX)
    except AlreadyCredited as exc:
        if (exc.row.amount, exc.row.kind) != (row.amount, row.kind):
            raise CreditRefused(f"credit {row.credit_id} exists with another amount or kind") from exc
        return exc.row
    except (AccountRefused, CreditBarred) as exc:
        if unknown:
            # An earlier attempt may still arrive; only a repetition with the same id shows whether it did.
            raise OutcomeUnknown("refused, but an earlier attempt may still be under way") from exc
        if isinstance(exc, CreditBarred):
            raise CreditRefused(str(exc)) from exc
        reason = "there is no such account" if exc.image is None else "less is available than would be taken"
        raise CreditRefused(reason, exc.image) from exc
    return row
