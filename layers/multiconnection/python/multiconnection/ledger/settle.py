"""D and P: write down the cost of a call, once, and charge exactly what was written down."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import TypeVar

from multiconnection.retry import OutcomeUnknown, Retry, StoreError

from .models import Account, Hold, UsageRow
from .store import AccountRefused, AlreadyDecided, FallbackQueue, Store

T = TypeVar("T")
DECIDE_ATTEMPTS_MAX = 4
APPLY_ATTEMPTS_MAX = 5
QUEUE_ATTEMPTS_MAX = 4
# The part of a settlement's time that is kept for the queue: one that answers takes milliseconds and its client a third
# of a second to load, and one that hangs is given up after two attempts.
QUEUE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Settlement:
    """`row` is the decision that stands. `applied` is False if the charge is left to the sweeper or the queue."""

    row: UsageRow
    decided: bool
    applied: bool
    image: Account | None = None


def bounded(row: UsageRow) -> UsageRow:
    """I6: charge a cost above the hold up to the hold; the operator bears the rest, which is recorded as overrun."""
    if row.cost <= row.hold:
        return row
    return replace(row, cost=row.hold, overrun=row.overrun + row.cost - row.hold)


async def decide(store: Store, retry: Retry, row: UsageRow) -> UsageRow:
    """D. The row that stands, ours or another writer's; raises StoreError if the table cannot be written."""
    try:
        await retry(lambda: store.decide(row), DECIDE_ATTEMPTS_MAX)
    except AlreadyDecided as exc:
        return exc.row
    return row


async def apply(store: Store, retry: Retry, hold: Hold, row: UsageRow) -> Account | None:
    """P, with cost and birth from the decision row. Returns the image, also if it had been applied before.

    A row with another birth version belongs to an earlier life of this hold id: this hold is a resurrected
    duplicate of a delayed reserve and is removed at no cost.
    """
    cost = row.cost if row.birth == hold.birth else 0
    try:
        return await retry(lambda: store.apply(hold, cost, return_to_cap=hold.capped), APPLY_ATTEMPTS_MAX)
    except AccountRefused as exc:
        image = exc.image
    if not hold.capped or not _still_held(image, hold):
        return image
    # The key's budget was removed after the hold was taken: there is no cap to return the rest to.
    try:
        return await retry(lambda: store.apply(hold, cost, return_to_cap=False), APPLY_ATTEMPTS_MAX)
    except AccountRefused as exc:
        return exc.image


async def settle(
    store: Store, retry: Retry, queue: FallbackQueue, hold: Hold, row: UsageRow, *, limit_s: float
) -> Settlement:
    """D then P. Ends after `limit_s` even if table and queue never answer.

    Every error of the table sends the decision to the queue, so that a missing permission does not lose it. Raises
    StoreError only if neither of the two took it.
    """
    row = bounded(row)
    ends_s = asyncio.get_running_loop().time() + limit_s
    try:
        standing = await answered_by(ends_s - limit_s * QUEUE_SHARE, decide(store, retry, row))
    except StoreError as exc:
        await answered_by(ends_s, enqueue(retry, queue, row, exc))
        return Settlement(row, decided=False, applied=False)
    try:
        image = await answered_by(ends_s, apply(store, retry, hold, standing))
    except StoreError:
        return Settlement(standing, decided=True, applied=False)
    return Settlement(standing, decided=True, applied=True, image=image)


async def enqueue(retry: Retry, queue: FallbackQueue, row: UsageRow, cause: StoreError) -> None:
    """Send the decision to the queue; raises the queue's error, caused by `cause`, the error of the table."""
    try:
        await retry(lambda: queue.send(row), QUEUE_ATTEMPTS_MAX)
    except StoreError as exc:
        raise exc from cause


async def answered_by(ends_s: float, operation: Awaitable[T]) -> T:
    """Raises OutcomeUnknown at `ends_s` (the loop's time); what was sent by then may still take effect."""
    try:
        async with asyncio.timeout_at(ends_s):
            return await operation
    except TimeoutError as exc:
        raise OutcomeUnknown("no answer in time") from exc


def _still_held(image: Account | None, hold: Hold) -> bool:
    return image is not None and hold.hold_id in image.holds and image.holds[hold.hold_id].birth == hold.birth
