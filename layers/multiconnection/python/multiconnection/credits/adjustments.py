"""Adjustments: money given or taken by hand, with a reason; a large one needs a second administrator.

The adjustment's item is the fence: the ledger's credit, the balance and the step from approved to applied are one
transaction, so a repeated, delayed or concurrent attempt finds the step taken and moves nothing.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

from multiconnection import ids
from multiconnection.accounts.admin import AdminAccounts
from multiconnection.audit.log import AuditEntries, AuditEntry, Facts
from multiconnection.errors import (
    AdjustmentConflict,
    AdjustmentNotFound,
    AdjustmentNotPending,
    AdjustmentRefused,
    RequestInvalid,
    SelfApprovalForbidden,
)
from multiconnection.identity.models import Session
from multiconnection.ledger.models import Account, CreditRow
from multiconnection.money import MoneyError, nano_to_usd, usd_to_nano
from multiconnection.ports import Clock
from multiconnection.retry import Reliable

# An adjustment of an account's money by administrators: its states, its id, its amount.


class AdjustmentStatus(StrEnum):
    """`approved` is decided and not yet booked; the last three are final."""

    AWAITING_SECOND = "awaiting_second"
    APPROVED = "approved"
    APPLIED = "applied"
    REJECTED = "rejected"
    REFUSED = "refused"


Status = AdjustmentStatus


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`amount` is n$, below zero where money is taken. Ids are those of the identity provider."""

    adjustment_id: str
    account_id: str
    amount: int
    reason: str
    status: AdjustmentStatus
    proposed_by: str
    proposer_id: str
    created_s: int
    decided_by: str = ""
    decider_id: str = ""
    decided_s: int | None = None
    note: str = ""

    @property
    def listed_as(self) -> str:
        """Sorts the adjustments of one status by time; also the cursor of their list."""
        return ids.encode(self.created_s, 6) + self.adjustment_id

    def credit_row(self, now_s: float) -> CreditRow:
        """The movement in the ledger, under this adjustment's own id: it happens once."""
        actor = self.decided_by or self.proposed_by
        return CreditRow(
            self.account_id, self.adjustment_id, self.amount, "adjustment", self.reason, actor, int(now_s * 1000)
        )


class AdjustmentTaken(Exception):
    """The id exists; `adjustment` is what stands under it."""

    def __init__(self, adjustment: Adjustment) -> None:
        super().__init__("the adjustment exists")
        self.adjustment = adjustment


class AdjustmentMoved(Exception):
    """It is not in the state that the step begins with; `adjustment` is as it was at that moment, None if missing."""

    def __init__(self, adjustment: Adjustment | None) -> None:
        super().__init__("the adjustment is in another state")
        self.adjustment = adjustment


class TooLittleAvailable(Exception):
    """The adjustment would take more than there is; nothing moved. `image` is None when there is no account."""

    def __init__(self, image: Account | None) -> None:
        super().__init__("less is available than would be taken")
        self.image = image


@dataclass(frozen=True, slots=True)
class AdjustmentPage:
    adjustments: tuple[Adjustment, ...]
    after: str | None


class AdjustmentStore(Protocol):
    """Every write carries its entry of the log and may be repeated with it; each method raises StoreError as well."""

    async def create(self, adjustment: Adjustment, entry: AuditEntry) -> None:
        """Raises AdjustmentTaken."""

    async def get(self, adjustment_id: str) -> Adjustment | None:
        """Strongly consistent."""

    async def with_status(self, status: Status, limit: int, after: str | None) -> AdjustmentPage:
        """Oldest first; eventually consistent."""

    async def move(self, adjustment: Adjustment, from_: Status, entry: AuditEntry) -> None:
        """Into the state that `adjustment` has, with its decision. Raises AdjustmentMoved."""

    async def apply(self, adjustment: Adjustment, row: CreditRow, entry: AuditEntry) -> None:
        """Credit row, balance and approved → applied at once. Raises AdjustmentMoved or TooLittleAvailable."""


class AdminAdjustments:
    """`four_eyes_nano`: a larger amount, given or taken, waits for a second administrator."""

    def __init__(
        self,
        store: AdjustmentStore,
        accounts: AdminAccounts,
        entries: AuditEntries,
        reliable: Reliable,
        clock: Clock,
        four_eyes_nano: int,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._entries = entries
        self._reliable = reliable
        self._clock = clock
        self._four_eyes_nano = four_eyes_nano

    async def propose(self, admin: Session, account_id: str, amount: str, why: str, client_token: str) -> Adjustment:
        """Book it, or leave it to a second administrator. The same client token again is the same adjustment.

        Raises RequestInvalid, AccountNotFound, SelfApprovalForbidden, AdjustmentConflict, AdjustmentRefused or
        LedgerUnavailable.
        """
        if account_id == admin.account_id:
            raise SelfApprovalForbidden("Another administrator has to adjust your own account.")
        wanted = self._wanted(admin, account_id, amount, why, client_token)
        found = await self._reliable(lambda: self._store.get(wanted.adjustment_id))
        if found is None:
            await self._require_possible(wanted)
            found = await self._created(admin, wanted)
        if (found.amount, found.reason) != (wanted.amount, wanted.reason):
            raise AdjustmentConflict("This client token was used for another adjustment.", param="client_token")
        return await self._booked(admin, found)

    async def approve(self, admin: Session, adjustment_id: str) -> Adjustment:
        """By somebody else than who proposed it. One that is approved and not booked yet is booked, whoever asks.

        Raises AdjustmentNotFound, SelfApprovalForbidden, AdjustmentNotPending, AdjustmentRefused or LedgerUnavailable.
        """
        adjustment = await self.get(adjustment_id)
        if adjustment.status is Status.APPROVED:
            return await self._booked(admin, adjustment)
        if admin.user_id == adjustment.proposer_id or admin.account_id == adjustment.account_id:
            raise SelfApprovalForbidden("Another administrator has to approve this adjustment.")
        decided = await self._decided(admin, adjustment, Status.APPROVED, "adjustment.approve", "")
        return await self._booked(admin, decided)

    async def reject(self, admin: Session, adjustment_id: str, why: str) -> Adjustment:
        """Also by whoever proposed it. Raises AdjustmentNotFound, AdjustmentNotPending or LedgerUnavailable."""
        adjustment = await self.get(adjustment_id)
        return await self._decided(admin, adjustment, Status.REJECTED, "adjustment.reject", why)

    async def get(self, adjustment_id: str) -> Adjustment:
        """Raises AdjustmentNotFound or LedgerUnavailable."""
        found = None
        if is_adjustment_id(adjustment_id):
            found = await self._reliable(lambda: self._store.get(adjustment_id))
        if found is None:
            raise AdjustmentNotFound(f"There is no adjustment {adjustment_id[:64]!r}.", param="adjustment_id")
        return found

    async def list(self, status: Status, limit: int, cursor: str | None) -> AdjustmentPage:
        """Oldest first. Raises RequestInvalid or LedgerUnavailable."""
        if cursor is not None and not is_place(cursor):
            raise RequestInvalid("'cursor' is not a place in this list.", param="cursor")
        return await self._reliable(lambda: self._store.with_status(status, limit, cursor))

    def _wanted(self, admin: Session, account_id: str, amount: str, why: str, client_token: str) -> Adjustment:
        try:
            nano = parse_adjustment(amount)
        except MoneyError as exc:
            raise RequestInvalid(f"Invalid value for 'amount': {exc}.", param="amount") from exc
        return Adjustment(
            adjustment_id=adjustment_id_of(account_id, client_token),
            account_id=account_id,
            amount=nano,
            reason=why,
            status=Status.AWAITING_SECOND if abs(nano) > self._four_eyes_nano else Status.APPROVED,
            proposed_by=admin.email,
            proposer_id=admin.user_id,
            created_s=int(self._clock.now()),
        )

    async def _require_possible(self, wanted: Adjustment) -> None:
        """A courtesy before anything is written: the booking has the same condition, where it counts."""
        image = (await self._accounts.get(wanted.account_id)).image
        if image.available + wanted.amount < 0:
            raise _refused(image)

    async def _created(self, admin: Session, wanted: Adjustment) -> Adjustment:
        entry = self._entry(admin, "adjustment.propose", wanted, {}, wanted.reason)
        try:
            await self._reliable(lambda: self._store.create(wanted, entry))
        except AdjustmentTaken as exc:
            return exc.adjustment
        return wanted

    async def _decided(self, admin: Session, adjustment: Adjustment, to: Status, action: str, why: str) -> Adjustment:
        """The first decision wins; a repeated click finds its own."""
        now_s = int(self._clock.now())
        decided = replace(
            adjustment, status=to, decided_by=admin.email, decider_id=admin.user_id, decided_s=now_s, note=why
        )
        before = {"status": Status.AWAITING_SECOND.value}
        entry = self._entry(admin, action, decided, before, why)
        try:
            await self._reliable(lambda: self._store.move(decided, Status.AWAITING_SECOND, entry))
        except AdjustmentMoved as exc:
            found = exc.adjustment or adjustment
            if not _is_own(admin, found, to):
                raise _not_pending(found) from exc
            return found
        return decided

    async def _booked(self, admin: Session, adjustment: Adjustment) -> Adjustment:
        """Whatever the last attempt left undone is done now. Raises AdjustmentRefused."""
        if adjustment.status is Status.APPROVED:
            adjustment = await self._apply(admin, adjustment)
        if adjustment.status is Status.REFUSED:
            image = (await self._accounts.get(adjustment.account_id)).image
            raise _refused(image)
        return adjustment

    async def _apply(self, admin: Session, adjustment: Adjustment) -> Adjustment:
        row, applied = adjustment.credit_row(self._clock.now()), replace(adjustment, status=Status.APPLIED)
        entry = self._entry(admin, "adjustment.apply", applied, {"status": Status.APPROVED.value})
        try:
            await self._reliable(lambda: self._store.apply(adjustment, row, entry))
        except AdjustmentMoved as exc:
            return exc.adjustment or adjustment
        except TooLittleAvailable:
            return await self._given_up(admin, adjustment)
        return applied

    async def _given_up(self, admin: Session, adjustment: Adjustment) -> Adjustment:
        """Final: from here on no late attempt of this adjustment can move anything."""
        refused = replace(adjustment, status=Status.REFUSED)
        entry = self._entry(admin, "adjustment.refuse", refused, {"status": Status.APPROVED.value})
        try:
            await self._reliable(lambda: self._store.move(refused, Status.APPROVED, entry))
        except AdjustmentMoved as exc:
            return exc.adjustment or adjustment
        return refused

    def _entry(self, admin: Session, action: str, adjustment: Adjustment, before: Facts, why: str = "") -> AuditEntry:
        after = {
            "status": adjustment.status.value,
            "account_id": adjustment.account_id,
            "amount": nano_to_usd(adjustment.amount),
            "proposed_by": adjustment.proposed_by,
        }
        return self._entries.of(admin.email, action, adjustment.adjustment_id, before, after, why)


def _is_own(admin: Session, found: Adjustment, to: Status) -> bool:
    """Approved can have become applied, or refused, since."""
    reached = (to, Status.APPLIED, Status.REFUSED) if to is Status.APPROVED else (to,)
    return found.status in reached and found.decider_id == admin.user_id


def _not_pending(found: Adjustment) -> AdjustmentNotPending:
    status = found.status.value
    details = {"status": status, "decided_by": found.decided_by or None, "decided_at": found.decided_s}
    return AdjustmentNotPending(f"The adjustment is {status.replace('_', ' ')}.", details=details)


def _refused(image: Account) -> AdjustmentRefused:
    available = nano_to_usd(image.available)
    return AdjustmentRefused(f"Only {available} USD are available.", param="amount", details={"available": available})


ID_PREFIX = "adj_"
# 22 characters hold 130 bits of the hash.
_ID_CHARS = 22
_AMOUNT = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_ID = re.compile(rf"adj_[0-9A-Za-z]{{{_ID_CHARS}}}")


def adjustment_id_of(account_id: str, client_token: str) -> str:
    """The same request is the same adjustment, whoever repeats it."""
    digest = int.from_bytes(sha256(f"{account_id}\n{client_token}".encode()).digest())
    return ID_PREFIX + ids.encode(digest % 62**_ID_CHARS, _ID_CHARS)


def is_adjustment_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def is_place(text: str) -> bool:
    """Whether a cursor is one of the list of adjustments."""
    return ids.is_base62(text[:6]) and is_adjustment_id(text[6:])


def parse_adjustment(text: str) -> int:
    """n$ of "+5", "-2.50"; raises MoneyError for anything else, zero included."""
    if not _AMOUNT.fullmatch(text) or not (amount := usd_to_nano(text)):
        raise MoneyError('an adjustment is a decimal string other than zero, such as "12.50" or "-3"')
    return amount
