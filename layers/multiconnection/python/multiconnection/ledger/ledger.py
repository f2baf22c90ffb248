"""The ledger: the protocol's steps over one store, with one clock and one place for alarms."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from multiconnection.errors import AccountSuspended
from multiconnection.ports import Alarms, Clock, Rng
from multiconnection.retry import Retry, StoreError, unavailable_as

from .credit import credit
from .models import ACTIVE, FROZEN, Account, AccountLimits, CreditRow, Hold, UsageRow, breaches
from .reconcile import ReconcileReport, reconcile_account
from .reserve import Reserved, ReserveRefusal, ReserveRefused, reserve
from .settle import Settlement, bounded, settle
from .store import FallbackQueue, Store
from .sweep import ModelName, Swept, end_holds, expired, sweep_account

# A request that happens to see expired holds of its account ends a few of them.
SWEPT_BY_A_REQUEST_MAX = 2
# An answer that is not streamed waits for its settlement, because Lambda freezes the process once it is sent.
SETTLE_S = 5.0


@dataclass(frozen=True, slots=True)
class Margins:
    """Seconds. A hold expires `hold_s` after its request's deadline and is swept `sweep_s` after that.

    A settlement ends after `settle_s`, even if nothing answers.
    """

    hold_s: float = 120
    sweep_s: float = 60
    settle_s: float = SETTLE_S


class Ledger:
    """Every movement of money. Each method may be called again after any failure."""

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
        """R. Raises ReserveRefused, or StoreError if the outcome is unknown."""
        reserved = await reserve(
            self.store,
            self._retry,
            hold,
            key_epoch=key_epoch,
            in_flight_max=in_flight_max,
            now_s=self._clock.now(),
        )
        if await self._is_broken(reserved.image):
            raise ReserveRefused(ReserveRefusal.STATUS, reserved.image)
        return reserved

    async def settle(self, hold: Hold, row: UsageRow) -> Settlement:
        """D and P. Never raises if the database is down: the queue or the sweeper finishes the settlement.

        Ends after `settle_s` even if nothing answers.
        """
        ends_s = asyncio.get_running_loop().time() + self.margins.settle_s
        try:
            settlement = await settle(self.store, self._retry, self._queue, hold, row, limit_s=self.margins.settle_s)
        except StoreError as exc:
            return self._lost(bounded(row), exc)
        self._report(settlement)
        if settlement.image is not None:
            # What is cut off here is found again in the account's next image.
            with suppress(TimeoutError):
                async with asyncio.timeout_at(ends_s):
                    await self._is_broken(settlement.image)
                    await self._end_some_expired(settlement.image)
        return settlement

    async def replay(self, row: UsageRow) -> bool:
        """Settle a decision from the fallback queue. May be repeated; False asks for another delivery."""
        try:
            image = await self.store.account(row.account_id)
        except StoreError:
            return False
        hold = image.holds.get(row.hold_id) if image else None
        if hold is None or hold.birth != row.birth:
            # Swept or applied before: the table has a decision.
            return True
        try:
            settlement = await settle(self.store, self._retry, _NoQueue(), hold, row, limit_s=self.margins.settle_s)
        except StoreError:
            return False
        return settlement.applied

    async def sweep(self, account_id: str) -> Swept:
        """S, for one account."""
        image = await self.store.account(account_id)
        if image is None:
            return Swept()
        await self._is_broken(image)
        return await sweep_account(
            self.store, self._retry, image, self._model_name, self._clock.now(), self.margins.sweep_s
        )

    async def credit(self, row: CreditRow) -> CreditRow:
        """Book a credit, once for each credit id. Raises CreditRefused or MoneyError."""
        return await credit(self.store, self._retry, row)

    async def create_account(self, account_id: str, name: str, limits: AccountLimits) -> Account:
        """Raises AccountRefused when the id is taken."""
        return await self.store.create_account(account_id, name, int(self._clock.now()), limits)

    async def reconcile(self, account_id: str) -> ReconcileReport | None:
        return await reconcile_account(self.store, account_id, self._clock.now(), self.margins.sweep_s)

    async def _is_broken(self, image: Account) -> bool:
        """Alarm and freeze an account that breaks an invariant; it is not served until an operator has looked at it."""
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
        """Alarm with the decision as a message: the only copy of it, which can be sent to the queue by hand."""
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
        """End a few expired holds, with one attempt each so that the request never passes its deadline."""
        due = expired(image, self._clock.now(), self.margins.sweep_s)[:SWEPT_BY_A_REQUEST_MAX]
        if due:
            await end_holds(self.store, self._once, due, self._model_name, self._clock.now())


class Standing:
    """Refuse suspended accounts. The account is read each time, so a suspension takes effect with the next request."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def require_active(self, account_id: str) -> None:
        """Raises AccountSuspended or LedgerUnavailable."""
        with unavailable_as("The account cannot be read right now, please try again."):
            account = await self._store.account(account_id)
        # Without an account there is nothing that could have been suspended.
        if account is not None and account.status != ACTIVE:
            raise suspended()


def suspended() -> AccountSuspended:
    return AccountSuspended("This account is suspended. Contact support.")


class _NoQueue:
    """For replays: a decision that fails again stays in the queue it came from."""

    def message(self, row: UsageRow) -> str:
        return row.hold_id

    async def send(self, row: UsageRow) -> None:
        raise StoreError(f"the usage table is still down for {row.hold_id}")
