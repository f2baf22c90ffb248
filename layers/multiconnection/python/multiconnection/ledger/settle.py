"""D and P: write down what a call costs, once, and charge exactly what was written down."""

from dataclasses import dataclass, replace

from multiconnection.domain.holds import Hold

from .accounts import Account, UsageRow
from .retry import TRANSIENT, Retry
from .store import AccountRefused, AlreadyDecided, FallbackQueue, Store, StoreError

DECIDE_ATTEMPTS_MAX = 4
APPLY_ATTEMPTS_MAX = 5


@dataclass(frozen=True, slots=True)
class Settlement:
    """`row` is the decision that stands. `applied` is False when the charge is left to the sweeper or the queue."""

    row: UsageRow
    decided: bool
    applied: bool
    image: Account | None = None


def bounded(row: UsageRow) -> UsageRow:
    """I6: a cost above the hold is charged up to the hold; the rest is the operator's and is recorded as overrun."""
    if row.cost <= row.hold:
        return row
    return replace(row, cost=row.hold, overrun=row.overrun + row.cost - row.hold)


async def decide(store: Store, retry: Retry, row: UsageRow) -> UsageRow:
    """D. The row that stands, ours or the winner's; raises StoreError when the table cannot be written."""
    try:
        await retry(lambda: store.decide(row), DECIDE_ATTEMPTS_MAX)
    except AlreadyDecided as exc:
        return exc.row
    return row


async def apply(store: Store, retry: Retry, hold: Hold, row: UsageRow) -> Account | None:
    """P, with cost and birth from the decision row. Returns the image, also when it had been applied before.

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
    # The key's budget is gone since the hold was taken: there is no cap left to give the rest back to.
    try:
        return await retry(lambda: store.apply(hold, cost, return_to_cap=False), APPLY_ATTEMPTS_MAX)
    except AccountRefused as exc:
        return exc.image


async def settle(store: Store, retry: Retry, queue: FallbackQueue, hold: Hold, row: UsageRow) -> Settlement:
    """D then P. Raises StoreError only when the decision could be written neither to the table nor to the queue."""
    row = bounded(row)
    try:
        standing = await decide(store, retry, row)
    except TRANSIENT:
        await retry(lambda: queue.send(row), DECIDE_ATTEMPTS_MAX)
        return Settlement(row, decided=False, applied=False)
    try:
        image = await apply(store, retry, hold, standing)
    except StoreError:
        return Settlement(standing, decided=True, applied=False)
    return Settlement(standing, decided=True, applied=True, image=image)


def _still_held(image: Account | None, hold: Hold) -> bool:
    return image is not None and hold.hold_id in image.holds and image.holds[hold.hold_id].birth == hold.birth
