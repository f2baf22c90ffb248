"""Table Adjustments: one item per adjustment; one is applied in a transaction with the ledger's two tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multiconnection.audit.log import AuditedWrites, AuditEntry, WriteRefused
from multiconnection.aws import dynamo as a
from multiconnection.aws.dynamo import Driver, Item
from multiconnection.ledger import items as ledger_items
from multiconnection.ledger.models import CreditRow
from multiconnection.retry import OutcomeUnknown

from .models import (
    Adjustment,
    AdjustmentMoved,
    AdjustmentPage,
    AdjustmentStatus,
    AdjustmentTaken,
    TooLittleAvailable,
    id_in,
)

BY_STATUS = "by_status"
_TEXTS = ("account_id", "reason", "proposed_by", "proposer_id", "decided_by", "decider_id", "note")
_DECISION = ("decided_by", "decider_id", "note")
# Places of the actions in the transaction that applies an adjustment.
_STATE, _ROW, _BALANCE = range(3)


@dataclass(frozen=True, slots=True)
class AdjustmentTables:
    """Physical names of the tables."""

    adjustments: str
    balances: str
    credits: str


class AdjustmentsTable:
    """Adjustments by id and by status. Every write carries its entry of the audit log and may be repeated with it.

    Each method raises StoreError as well.
    """

    def __init__(self, driver: Driver, tables: AdjustmentTables, writes: AuditedWrites) -> None:
        self._driver = driver
        self._tables = tables
        self._writes = writes

    async def create(self, adjustment: Adjustment, entry: AuditEntry) -> None:
        """Raises AdjustmentTaken."""
        put = {
            "TableName": self._tables.adjustments,
            "Item": to_item(adjustment),
            "ConditionExpression": "attribute_not_exists(adjustment_id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            await self._writes.write(entry, {"Put": put})
        except WriteRefused as exc:
            found = await self._found(exc.refused[0], adjustment)
            if found is None:
                raise OutcomeUnknown("an adjustment was there and is gone") from exc
            raise AdjustmentTaken(found) from exc

    async def get(self, adjustment_id: str) -> Adjustment | None:
        """Strongly consistent."""
        key = {"adjustment_id": a.text(adjustment_id)}
        request = {"TableName": self._tables.adjustments, "Key": key, "ConsistentRead": True}
        answer = await self._driver.call("GetItem", request)
        return parse(answer["Item"]) if "Item" in answer else None

    async def with_status(self, status: AdjustmentStatus, limit: int, after: str | None) -> AdjustmentPage:
        """Oldest first; eventually consistent."""
        query: dict[str, Any] = {
            "TableName": self._tables.adjustments,
            "IndexName": BY_STATUS,
            "KeyConditionExpression": "#status = :status",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":status": a.text(status.value)},
            "Limit": limit,
        }
        if after is not None:
            query["ExclusiveStartKey"] = {
                "status": a.text(status.value),
                "listed_as": a.text(after),
                "adjustment_id": a.text(id_in(after)),
            }
        answer = await self._driver.call("Query", query)
        found = tuple(parse(item) for item in answer["Items"])
        return AdjustmentPage(found, found[-1].place if answer.get("LastEvaluatedKey") and found else None)

    async def move(self, adjustment: Adjustment, from_: AdjustmentStatus, entry: AuditEntry) -> None:
        """Step from `from_` to the state of `adjustment`, with its decision. Raises AdjustmentMoved."""
        try:
            await self._writes.write(entry, {"Update": self._step(adjustment, from_)})
        except WriteRefused as exc:
            raise AdjustmentMoved(await self._found(exc.refused[0], adjustment)) from exc

    async def apply(self, adjustment: Adjustment, row: CreditRow, entry: AuditEntry) -> None:
        """Write credit row, balance and the step to applied at once. Raises AdjustmentMoved or TooLittleAvailable."""
        approved, applied = AdjustmentStatus.APPROVED, AdjustmentStatus.APPLIED
        actions = (
            {"Update": self._step(adjustment, approved, applied)},
            {"Put": ledger_items.put_once(self._tables.credits, row)},
            {"Update": ledger_items.credit(self._tables.balances, row.account_id, row.amount)},
        )
        try:
            await self._writes.write(entry, *actions)
        except WriteRefused as exc:
            raise await self._refusal(exc, adjustment) from exc

    async def _refusal(self, exc: WriteRefused, adjustment: Adjustment) -> Exception:
        if _STATE in exc.refused:
            return AdjustmentMoved(await self._found(exc.refused[_STATE], adjustment))
        if _ROW in exc.refused:
            return OutcomeUnknown(f"{adjustment.adjustment_id} is credited and not applied")
        item = exc.refused[_BALANCE]
        return TooLittleAvailable(ledger_items.parse_account(item) if item else None)

    async def _found(self, item: Item | None, adjustment: Adjustment) -> Adjustment | None:
        """Some emulators leave the item out of a cancelled transaction."""
        return parse(item) if item else await self.get(adjustment.adjustment_id)

    def _step(
        self, adjustment: Adjustment, from_: AdjustmentStatus, to: AdjustmentStatus | None = None
    ) -> Mapping[str, Any]:
        """Update the state, on condition that amount, account and proposer are those that were decided about."""
        values = {
            ":to": a.text((to or adjustment.status).value),
            ":from": a.text(from_.value),
            ":amount": a.number(adjustment.amount),
            ":account": a.text(adjustment.account_id),
            ":proposer": a.text(adjustment.proposer_id),
        }
        sets, names = ["#status = :to"], {"#status": "status"}
        for name in _DECISION:
            names[f"#{name}"], values[f":{name}"] = name, a.text(getattr(adjustment, name))
            sets.append(f"#{name} = :{name}")
        if adjustment.decided_s is not None:
            values[":decided_s"] = a.number(adjustment.decided_s)
            sets.append("decided_s = :decided_s")
        return {
            "TableName": self._tables.adjustments,
            "Key": {"adjustment_id": a.text(adjustment.adjustment_id)},
            "UpdateExpression": f"SET {', '.join(sets)}",
            "ConditionExpression": (
                "#status = :from AND amount = :amount AND account_id = :account AND proposer_id = :proposer"
            ),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }


def to_item(adjustment: Adjustment) -> Item:
    item = {
        "adjustment_id": a.text(adjustment.adjustment_id),
        "status": a.text(adjustment.status.value),
        "listed_as": a.text(adjustment.place),
        "amount": a.number(adjustment.amount),
        "created_s": a.number(adjustment.created_s),
        **{name: a.text(getattr(adjustment, name)) for name in _TEXTS},
    }
    return item | ({} if adjustment.decided_s is None else {"decided_s": a.number(adjustment.decided_s)})


def parse(item: Item) -> Adjustment:
    """Raises KeyError or ValueError on a malformed item."""
    texts: dict[str, Any] = {name: a.read_text(item, name) for name in _TEXTS}
    return Adjustment(
        adjustment_id=a.read_text(item, "adjustment_id"),
        amount=a.read_number(item, "amount"),
        status=AdjustmentStatus(a.read_text(item, "status")),
        created_s=a.read_number(item, "created_s"),
        decided_s=a.read_number_or_none(item, "decided_s"),
        **texts,
    )
