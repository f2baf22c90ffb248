"""The ledger as the use cases see it: the protocol's steps bound to one store, clock and alarm."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from multiconnection.errors import AccountSuspended, LedgerUnavailable
from multiconnection.ports import Alarms, Clock, Rng
from multiconnection.retry import Retry, StoreError

from .credit import credit, credit_order
from .models import ACTIVE, FROZEN, Account, AccountLimits, CreditRow, Hold, UsageRow, breaches
from .reconcile import Report, reconcile_account
from .reserve import Refusal, Reserved, ReserveRefused, reserve
from .settle import Settlement, bounded, settle
from .store import FallbackQueue, Store
from .sweep import ModelName, Swept, end_holds, expired, sweep_account

# A request that happens to see expired holds of its account ends a few of them itself.
SWEPT_BY_A_REQUEST_MAX = 2
# A whole answer waits for its settlement, because Lambda freezes the process once the answer is out.
SETTLE_S = 5.0


@dataclass(frozen=True, slots=True)
class Margins:
    """Seconds. A hold expires `hold_s` after its request's deadline and is swept `sweep_s` after that.

    A settlement ends after `settle_s`, whatever hangs.
    """

    hold_s: float = 120
    sweep_s: float = 60
    settle_s: float = SETTLE_S


class Ledger:
    """Every movement of money goes through here; each method may be called again after any failure."""

    def __init__(
        self,
        store: Store,
        queue: FallbackQueue,
        alarms: Alarms,
        clock: Clock,
        rng: Rng,
        model_name: ModelName,
        margins: Margins,
    ) -> None:
        self.store = store
        self.margins = margins
        self._queue = queue
        self._alarms = alarms
        self._clock = clock
        self._retry = Retry(rng)
        self._once = Retry(rng, attempts_cap=1)
        self._model_name = model_name

    async def reserve(self, hold: Hold, *, key_epoch: int, in_flight_max: int) -> Reserved:
        """R. Raises ReserveRefused, or StoreError when the outcome is unknown."""
        reserved = await reserve(
            self.store,
            self._retry,
            hold,
            key_epoch=key_epoch,
            in_flight_max=in_flight_max,
            now_s=self._clock.now(),
        )
        if await self._is_broken(reserved.image):
            raise ReserveRefused(Refusal.STATUS, reserved.image)
        return reserved

    async def settle(self, hold: Hold, row: UsageRow) -> Settlement:
        """D and P. Never raises for a database that is down: the queue or the sweeper finishes the work.

        Ends after `settle_s` even if nothing answers.
        """
        ends_s = asyncio.get_running_loop().time() + self.margins.settle_s
        try:
            settlement = await settle(self.store, self._retry, self._queue, hold, row, limit_s=self.margins.settle_s)
        except StoreError as exc:
            return self._lost(bounded(row), exc)
        self._report(settlement)
        if settlement.image is not None:
            # What is cut here is seen again in the next image of the account.
            with suppress(TimeoutError):
                async with asyncio.timeout_at(ends_s):
                    await self._is_broken(settlement.image)
                    await self._end_some_expired(settlement.image)
        return settlement

    async def replay(self, row: UsageRow) -> bool:
        """Finish a decision from the fallback queue, any number of times; False asks for another delivery."""
        try:
            image = await self.store.account(row.account_id)
        except StoreError:
            return False
        hold = image.holds.get(row.hold_id) if image else None
        if hold is None or hold.birth != row.birth:
            # Swept or applied before: the decision that stands is in the table already.
            return True
        try:
            settlement = await settle(self.store, self._retry, _NoQueue(), hold, row, limit_s=self.margins.settle_s)
        except StoreError:
            return False
        return settlement.applied

    async def sweep(self, account_id: str) -> Swept:
        """S for one account."""
        image = await self.store.account(account_id)
        if image is None:
            return Swept()
        await self._is_broken(image)
        return await sweep_account(
            self.store, self._retry, image, self._model_name, self._clock.now(), self.margins.sweep_s
        )

    async def credit(self, row: CreditRow) -> CreditRow:
        """Money-in. Raises CreditRefused or MoneyError."""
        return await credit(self.store, self._retry, row)

    async def credit_order(self, row: CreditRow) -> CreditRow:
        """Money-in of an approved order, which is credited with it. Raises CreditRefused or MoneyError."""
        return await credit_order(self.store, self._retry, row)

    async def create_account(self, account_id: str, name: str, limits: AccountLimits) -> Account:
        """Raises AccountRefused when the id is taken."""
        return await self.store.create_account(account_id, name, int(self._clock.now()), limits)

    async def reconcile(self, account_id: str) -> Report | None:
        return await reconcile_account(self.store, account_id, self._clock.now(), self.margins.sweep_s)

    async def _is_broken(self, image: Account) -> bool:
        """Alarm and freeze an account whose books are wrong; it is served no more until a person has looked."""
        found = breaches(image)
        if not found:
            return False
        self._alarms.alarm("invariant_breached", account_id=image.account_id, version=image.version, breaches=found)
        if image.status == ACTIVE:
            try:
                await self.store.set_status(image.account_id, FROZEN)
            except StoreError as exc:
                self._alarms.alarm("freeze_failed", account_id=image.account_id, error=str(exc))
        return True

    def _lost(self, row: UsageRow, exc: StoreError) -> Settlement:
        """The alarm's line is the only copy of the decision: it can be sent to the queue by hand."""
        cause = exc.__cause__ if isinstance(exc.__cause__, StoreError) else None
        self._alarms.alarm(
            "decision_lost",
            account_id=row.account_id,
            hold_id=row.hold_id,
            error=str(cause or exc),
            queue_error=str(exc),
            decision=self._queue.message(row),
        )
        return Settlement(row, decided=False, applied=False)

    def _report(self, settlement: Settlement) -> None:
        row = settlement.row
        if row.overrun:
            self._alarms.alarm("overrun", account_id=row.account_id, hold_id=row.hold_id, overrun=row.overrun)
        if not settlement.decided:
            self._alarms.alarm("decision_queued", account_id=row.account_id, hold_id=row.hold_id)
        elif not settlement.applied:
            self._alarms.alarm("apply_deferred", account_id=row.account_id, hold_id=row.hold_id)

    async def _end_some_expired(self, image: Account) -> None:
        """A favour to the sweeper: one attempt, so that it never keeps a request beyond its deadline."""
        due = expired(image, self._clock.now(), self.margins.sweep_s)[:SWEPT_BY_A_REQUEST_MAX]
        if due:
            await end_holds(self.store, self._once, due, self._model_name, self._clock.now())


class _NoQueue:
    """A replay that fails again stays in the queue it came from."""

    def message(self, row: UsageRow) -> str:
        return row.hold_id

    async def send(self, row: UsageRow) -> None:
        raise StoreError(f"the usage table is still down for {row.hold_id}")


class Standing:
    """Whether an account is suspended, read anew each time: a suspension holds from the next request on."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def require_active(self, account_id: str) -> None:
        """Raises AccountSuspended or LedgerUnavailable."""
        try:
            account = await self._store.account(account_id)
        except StoreError as exc:
            raise LedgerUnavailable("The account cannot be read right now, please try again.", retry_after_s=1) from exc
        # Without an account there is nothing that could have been suspended.
        if account is not None and account.status != ACTIVE:
            raise suspended()


def suspended() -> AccountSuspended:
    return AccountSuspended("This account is suspended. Contact support.")
