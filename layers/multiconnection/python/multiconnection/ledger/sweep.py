"""S: end the holds of calls that died, so that no money stays locked and every call has a row."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from multiconnection.retry import Retry, StoreError
from multiconnection.usage import Ended, Usage, UsageSource

from .models import Account, Hold, UsageRow
from .reserve import activity_bucket
from .settle import apply, decide
from .store import AccountRefused, Store

ModelName = Callable[[str], Awaitable[str]]
"""The model id of a three-character code, or the code itself if the catalog no longer has it."""


@dataclass(frozen=True, slots=True)
class Swept:
    """The result of sweeping an account. `next_expiry_s` is when the first of its live holds expires.

    `oldest_expiry_s` is the expiry of the oldest hold that is left, those that could not be ended included.
    """

    ended: int = 0
    failed: int = 0
    waiting: int = 0
    next_expiry_s: int | None = None
    oldest_expiry_s: int | None = None


def expired(image: Account, now_s: float, margin_s: float) -> list[Hold]:
    """The holds past their expiry and margin, oldest first."""
    due = (hold for hold in image.holds.values() if hold.expires_s + margin_s <= now_s)
    return sorted(due, key=lambda hold: hold.expires_s)


def orphan_row(hold: Hold, model: str, now_s: float) -> UsageRow:
    """The decision about a call whose process died: it costs nothing."""
    return UsageRow(
        account_id=hold.account_id,
        hold_id=hold.hold_id,
        birth=hold.birth,
        hold=hold.amount,
        cost=0,
        overrun=0,
        key_id=hold.key_id,
        model=model,
        price_version=hold.price_version,
        usage=Usage(),
        usage_source=UsageSource.NONE,
        ended=Ended.KILLED,
        decided_by="sweeper",
        created_ms=int(now_s * 1000),
    )


async def end_holds(
    store: Store, retry: Retry, holds: Iterable[Hold], model_name: ModelName, now_s: float
) -> tuple[int, int]:
    """Decide and apply each hold; returns how many ended and how many failed for now."""
    ended = failed = 0
    for hold in holds:
        try:
            orphan = orphan_row(hold, await model_name(hold.model_code), now_s)
            row = await decide(store, retry, orphan)
            await apply(store, retry, hold, row)
        except StoreError:
            failed += 1
        else:
            ended += 1
    return ended, failed


async def sweep_account(
    store: Store, retry: Retry, image: Account, model_name: ModelName, now_s: float, margin_s: float
) -> Swept:
    """End the expired holds, and take an account that has been idle for a whole bucket out of the index."""
    due = expired(image, now_s, margin_s)
    ended, failed = await end_holds(store, retry, due, model_name, now_s)
    rest = [hold.expires_s for hold in image.holds.values() if hold not in due]
    bucket = image.activity_bucket
    if not image.holds and bucket is not None and bucket < activity_bucket(now_s):
        try:
            await store.forget_activity(image.account_id, bucket)
        except AccountRefused:
            # It became active again between the read and the write, and stays in the index.
            return Swept(ended, failed)
    # `end_holds` does not say which of them failed; the oldest stands for all.
    oldest = due[0].expires_s if failed else min(rest, default=None)
    return Swept(ended, failed, len(rest), min(rest, default=None), oldest)
