"""R: set money aside before the upstream is called."""

from dataclasses import dataclass
from enum import StrEnum

from multiconnection.retry import Retry

from .models import ACTIVE, Account, Hold
from .store import AccountRefused, Store

# Usually one write; the others are for a throttled table or a lost reply, with the same hold id.
ATTEMPTS_MAX = 4
ACTIVITY_BUCKET_S = 300


class ReserveRefusal(StrEnum):
    """The reason why the account did not allow the hold."""

    NO_ACCOUNT = "no_account"
    STATUS = "status"
    KEY_EPOCH = "key_epoch"
    IN_FLIGHT = "in_flight"
    KEY_BUDGET = "key_budget"
    BALANCE = "balance"
    CONFLICT = "conflict"


class ReserveRefused(Exception):
    """The hold was not taken. `image` is the account at that moment."""

    def __init__(self, refusal: ReserveRefusal, image: Account | None) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
        self.image = image


@dataclass(frozen=True, slots=True)
class Reserved:
    """The hold as written, with its birth version, and the account image right after."""

    hold: Hold
    image: Account


def activity_bucket(now_s: float) -> int:
    return int(now_s) // ACTIVITY_BUCKET_S


async def reserve(
    store: Store, retry: Retry, hold: Hold, *, key_epoch: int, in_flight_max: int, now_s: float
) -> Reserved:
    """Raises ReserveRefused, or a StoreError if the outcome stays unknown (the sweeper then ends the hold)."""

    async def write() -> Account:
        return await store.reserve(
            hold, key_epoch=key_epoch, in_flight_max=in_flight_max, activity_bucket=activity_bucket(now_s)
        )

    try:
        image = await retry(write, ATTEMPTS_MAX)
    except AccountRefused as exc:
        image = _own_earlier_attempt(exc, hold, key_epoch, in_flight_max)
    return Reserved(image.holds[hold.hold_id], image)


def _own_earlier_attempt(exc: AccountRefused, hold: Hold, key_epoch: int, in_flight_max: int) -> Account:
    """A refusal that shows this very hold is the success of an earlier attempt whose reply was lost."""
    image = exc.image
    if image is not None and hold.hold_id in image.holds:
        written = image.holds[hold.hold_id]
        if (written.amount, written.key_id) == (hold.amount, hold.key_id):
            return image
    raise ReserveRefused(_refusal(image, hold, key_epoch, in_flight_max), image) from exc


def _refusal(image: Account | None, hold: Hold, key_epoch: int, in_flight_max: int) -> ReserveRefusal:
    if image is None:
        return ReserveRefusal.NO_ACCOUNT
    checks = (
        (image.status != ACTIVE, ReserveRefusal.STATUS),
        (image.key_epoch != key_epoch, ReserveRefusal.KEY_EPOCH),
        (image.live_holds >= in_flight_max, ReserveRefusal.IN_FLIGHT),
        (image.available < hold.amount, ReserveRefusal.BALANCE),
        (hold.capped and image.key_caps.get(hold.key_id, -1) < hold.amount, ReserveRefusal.KEY_BUDGET),
    )
    return next((refusal for broken, refusal in checks if broken), ReserveRefusal.CONFLICT)
