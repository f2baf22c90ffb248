"""The signed-in user's balance and credits, and adjustments of accounts by administrators."""

import re
from dataclasses import dataclass, replace

from multiconnection.audit.log import AuditEntries, AuditEntry, Facts
from multiconnection.errors import (
    AccountNotFound,
    AdjustmentConflict,
    AdjustmentNotFound,
    AdjustmentNotPending,
    AdjustmentRefused,
    RequestInvalid,
    SelfApprovalForbidden,
)
from multiconnection.identity.models import Session
from multiconnection.ledger.models import Account, CreditRow
from multiconnection.ledger.store import Store
from multiconnection.money import MoneyError, nano_to_usd
from multiconnection.ports import Clock
from multiconnection.retry import Reliable, readable

from .models import (
    Adjustment,
    AdjustmentMoved,
    AdjustmentPage,
    AdjustmentStatus,
    AdjustmentTaken,
    Balance,
    CreditPage,
    TooLittleAvailable,
    adjustment_id_of,
    is_adjustment_id,
    is_place,
    parse_adjustment,
)
from .store import AdjustmentsTable

ACCOUNT_ID_CHARS_MAX = 128
# Credits have ids of many shapes and are few; all of them are read to be sorted.
CREDITS_MAX = 5000
_CURSOR = re.compile(r"(\d{1,15})\.(.{1,200})")


@dataclass(frozen=True, slots=True)
class BalanceService:
    """An account's money, read from the ledger."""

    store: Store

    async def balance(self, account_id: str) -> Balance:
        """Zero amounts where no account is open yet. Raises LedgerUnavailable."""
        with readable("Your balance"):
            account = await self.store.account(account_id)
        if account is None:
            return Balance()
        return Balance(account.available, account.held, account.credits_in, account.charged)

    async def credits(self, account_id: str, after: str | None, limit: int) -> CreditPage:
        """Newest first. Raises RequestInvalid for an unknown cursor, or LedgerUnavailable."""
        place = None if after is None else _place(after)
        rows = sorted(await self._all(account_id), key=_order)
        if place is not None:
            rows = [row for row in rows if _order(row) > place]
        page = rows[:limit]
        return CreditPage(page, _cursor(page[-1]) if len(rows) > limit else None)

    async def _all(self, account_id: str) -> list[CreditRow]:
        rows: list[CreditRow] = []
        with readable("Your credits"):
            async for row in self.store.credit_rows(account_id):
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


class AdminAdjustments:
    """Money given or taken by hand, with a reason.

    A larger amount than `four_eyes_nano`, given or taken, waits for a second administrator. The adjustment's item is
    the fence: the ledger's credit, the balance and the step from approved to applied are one transaction, so a
    repeated, delayed or concurrent attempt finds the step taken and moves nothing.
    """

    def __init__(
        self,
        table: AdjustmentsTable,
        ledger: Store,
        entries: AuditEntries,
        reliable: Reliable,
        clock: Clock,
        four_eyes_nano: int,
    ) -> None:
        self._table = table
        self._ledger = ledger
        self._entries = entries
        self._reliable = reliable
        self._clock = clock
        self._four_eyes_nano = four_eyes_nano

    async def propose(self, admin: Session, account_id: str, amount: str, why: str, client_token: str) -> Adjustment:
        """Apply it, or leave it to a second administrator. The same client token again is the same adjustment.

        Raises RequestInvalid, AccountNotFound, SelfApprovalForbidden, AdjustmentConflict, AdjustmentRefused or
        LedgerUnavailable.
        """
        if account_id == admin.account_id:
            raise SelfApprovalForbidden("Another administrator has to adjust your own account.")
        proposal = self._proposal(admin, account_id, amount, why, client_token)
        found = await self._reliable(lambda: self._table.get(proposal.adjustment_id))
        if found is None:
            await self._require_possible(proposal)
            found = await self._created(admin, proposal)
        if (found.amount, found.reason) != (proposal.amount, proposal.reason):
            raise AdjustmentConflict("This client token was used for another adjustment.", param="client_token")
        return await self._completed(admin, found)

    async def approve(self, admin: Session, adjustment_id: str) -> Adjustment:
        """Approve another administrator's proposal. One that is approved and not applied yet is applied now.

        Raises AdjustmentNotFound, SelfApprovalForbidden, AdjustmentNotPending, AdjustmentRefused or LedgerUnavailable.
        """
        adjustment = await self.get(adjustment_id)
        if adjustment.status is AdjustmentStatus.APPROVED:
            return await self._completed(admin, adjustment)
        if admin.user_id == adjustment.proposer_id or admin.account_id == adjustment.account_id:
            raise SelfApprovalForbidden("Another administrator has to approve this adjustment.")
        decided = await self._decided(admin, adjustment, AdjustmentStatus.APPROVED, "adjustment.approve", "")
        return await self._completed(admin, decided)

    async def reject(self, admin: Session, adjustment_id: str, why: str) -> Adjustment:
        """Open to the proposer as well. Raises AdjustmentNotFound, AdjustmentNotPending or LedgerUnavailable."""
        adjustment = await self.get(adjustment_id)
        return await self._decided(admin, adjustment, AdjustmentStatus.REJECTED, "adjustment.reject", why)

    async def get(self, adjustment_id: str) -> Adjustment:
        """Raises AdjustmentNotFound or LedgerUnavailable."""
        found = None
        if is_adjustment_id(adjustment_id):
            found = await self._reliable(lambda: self._table.get(adjustment_id))
        if found is None:
            raise AdjustmentNotFound(f"There is no adjustment {adjustment_id[:64]!r}.", param="adjustment_id")
        return found

    async def list(self, status: AdjustmentStatus, limit: int, cursor: str | None) -> AdjustmentPage:
        """Oldest first. Raises RequestInvalid or LedgerUnavailable."""
        if cursor is not None and not is_place(cursor):
            raise RequestInvalid("'cursor' is not a place in this list.", param="cursor")
        return await self._reliable(lambda: self._table.with_status(status, limit, cursor))

    def _proposal(self, admin: Session, account_id: str, amount: str, why: str, client_token: str) -> Adjustment:
        try:
            nano = parse_adjustment(amount)
        except MoneyError as exc:
            raise RequestInvalid(f"Invalid value for 'amount': {exc}.", param="amount") from exc
        is_large = abs(nano) > self._four_eyes_nano
        return Adjustment(
            adjustment_id=adjustment_id_of(account_id, client_token),
            account_id=account_id,
            amount=nano,
            reason=why,
            status=AdjustmentStatus.AWAITING_SECOND if is_large else AdjustmentStatus.APPROVED,
            proposed_by=admin.email,
            proposer_id=admin.user_id,
            created_s=int(self._clock.now()),
        )

    async def _require_possible(self, proposal: Adjustment) -> None:
        """Refuse early, before anything is written; the transaction has the same condition, and that one counts."""
        image = await self._account(proposal.account_id)
        if image.available + proposal.amount < 0:
            raise _refused(image)

    async def _account(self, account_id: str) -> Account:
        image = None
        if len(account_id) <= ACCOUNT_ID_CHARS_MAX:
            image = await self._reliable(lambda: self._ledger.account(account_id))
        if image is None:
            raise account_not_found(account_id)
        return image

    async def _created(self, admin: Session, proposal: Adjustment) -> Adjustment:
        """The adjustment stored under this id: the proposal, or an earlier one."""
        entry = self._entry(admin, "adjustment.propose", proposal, {}, proposal.reason)
        try:
            await self._reliable(lambda: self._table.create(proposal, entry))
        except AdjustmentTaken as exc:
            return exc.adjustment
        return proposal

    async def _decided(
        self, admin: Session, adjustment: Adjustment, to: AdjustmentStatus, action: str, why: str
    ) -> Adjustment:
        """The first decision wins; a repeated click finds its own."""
        now_s = int(self._clock.now())
        decided = replace(
            adjustment, status=to, decided_by=admin.email, decider_id=admin.user_id, decided_s=now_s, note=why
        )
        from_ = AdjustmentStatus.AWAITING_SECOND
        entry = self._entry(admin, action, decided, {"status": from_.value}, why)
        try:
            await self._reliable(lambda: self._table.move(decided, from_, entry))
        except AdjustmentMoved as exc:
            found = exc.adjustment or adjustment
            if not _is_own_decision(admin, found, to):
                raise _not_pending(found) from exc
            return found
        return decided

    async def _completed(self, admin: Session, adjustment: Adjustment) -> Adjustment:
        """Apply what an earlier attempt left approved. Raises AdjustmentRefused."""
        if adjustment.status is AdjustmentStatus.APPROVED:
            adjustment = await self._apply(admin, adjustment)
        if adjustment.status is AdjustmentStatus.REFUSED:
            raise _refused(await self._account(adjustment.account_id))
        return adjustment

    async def _apply(self, admin: Session, adjustment: Adjustment) -> Adjustment:
        applied = replace(adjustment, status=AdjustmentStatus.APPLIED)
        row = adjustment.credit_row(self._clock.now())
        entry = self._entry(admin, "adjustment.apply", applied, {"status": AdjustmentStatus.APPROVED.value})
        try:
            await self._reliable(lambda: self._table.apply(adjustment, row, entry))
        except AdjustmentMoved as exc:
            return exc.adjustment or adjustment
        except TooLittleAvailable:
            return await self._refuse(admin, adjustment)
        return applied

    async def _refuse(self, admin: Session, adjustment: Adjustment) -> Adjustment:
        """Refuse it for good, so that no late attempt of this adjustment can move anything."""
        refused = replace(adjustment, status=AdjustmentStatus.REFUSED)
        entry = self._entry(admin, "adjustment.refuse", refused, {"status": AdjustmentStatus.APPROVED.value})
        try:
            await self._reliable(lambda: self._table.move(refused, AdjustmentStatus.APPROVED, entry))
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


def account_not_found(account_id: str) -> AccountNotFound:
    return AccountNotFound(f"There is no account {account_id[:64]!r}.", param="account_id")


def _is_own_decision(admin: Session, found: Adjustment, to: AdjustmentStatus) -> bool:
    """An approved adjustment may have been applied or refused since."""
    reached = (to, AdjustmentStatus.APPLIED, AdjustmentStatus.REFUSED) if to is AdjustmentStatus.APPROVED else (to,)
    return found.status in reached and found.decider_id == admin.user_id


def _not_pending(found: Adjustment) -> AdjustmentNotPending:
    status = found.status.value
    details = {"status": status, "decided_by": found.decided_by or None, "decided_at": found.decided_s}
    return AdjustmentNotPending(f"The adjustment is {status.replace('_', ' ')}.", details=details)


def _refused(image: Account) -> AdjustmentRefused:
    available = nano_to_usd(image.available)
    return AdjustmentRefused(f"Only {available} USD are available.", param="amount", details={"available": available})
