"""Table Limits: one item per limited subject, one TAT attribute per limited quantity, exact under concurrency.

DynamoDB has no max(), so `max(tat, floor) + add` is written in one of two forms: added to the stored value where
that is at the floor or above it, or set afresh where it is below or absent. The form chosen is part of the
condition, so a wrong guess changes nothing and the refusal's image tells which form is right.
"""

from collections.abc import Mapping
from typing import Any

from multiconnection.aws import dynamo as a
from multiconnection.aws.dynamo import ConditionFailed, Driver, Item

from .gcra import Demand, TakeResult

# A wrong form costs one more attempt; more than two means that the item is crossing a floor under our hands.
ATTEMPTS_MAX = 6
# Twice any interesting age; a subject that stays away vanishes from the table.
IDLE_S = 3600
_SECOND_NS = 10**9


class LimitsTable:
    """Implements `LimitStore` and `GrantSlots` over the Limits table."""

    def __init__(self, driver: Driver, table: str) -> None:
        self._driver = driver
        self._table = table

    async def take(
        self, subject: str, now_ns: int, demands: Mapping[str, Demand], hint: Mapping[str, int] | None = None
    ) -> TakeResult:
        """Raises StoreError. A refusal carries the TATs that caused it, or the hint where no TAT would have done."""
        tats = dict(hint or {})
        if not _fit({}, demands, now_ns):
            return TakeResult(False, tats)
        for _ in range(ATTEMPTS_MAX):
            update = _Update(now_ns)
            for attribute, demand in demands.items():
                update.add(attribute, demand, tats.get(attribute))
            try:
                answer = await self._driver.call("UpdateItem", update.payload(self._table, subject))
            except ConditionFailed as exc:
                tats = _tats(exc.item or {}, demands)
                if not _fit(tats, demands, now_ns):
                    break
            else:
                return TakeResult(True, _tats(answer["Attributes"], demands))
        return TakeResult(False, tats)

    async def slot(self, subject: str, member: str, most: int, expires_s: int) -> bool:
        """Implements `GrantSlots`: one conditional write, which finds itself where its answer was lost."""
        request = {
            "TableName": self._table,
            "Key": {"subject": a.text(subject)},
            "UpdateExpression": "SET #member = :one, #n = if_not_exists(#n, :none) + :one, #expires = :expires",
            "ConditionExpression": "attribute_not_exists(#member) AND (attribute_not_exists(#n) OR #n < :most)",
            "ExpressionAttributeNames": {"#member": f"m_{member}", "#n": "members", "#expires": "expires_at"},
            "ExpressionAttributeValues": {
                ":one": a.number(1),
                ":none": a.number(0),
                ":most": a.number(most),
                ":expires": a.number(expires_s),
            },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            await self._driver.call("UpdateItem", request)
        except ConditionFailed as exc:
            return f"m_{member}" in (exc.item or {})
        return True


class _Update:
    """The expressions of one attempt, grown attribute by attribute."""

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._sets = ["#expires = :expires"]
        self._conditions: list[str] = []
        self._names = {"#expires": "expires_at"}
        self._values: Item = {":expires": a.number(now_ns // _SECOND_NS + IDLE_S)}

    def add(self, attribute: str, demand: Demand, tat_ns: int | None) -> None:
        """Take the additive form where the last TAT seen is at the floor or above it."""
        shift, ceiling = demand.shift(self._now_ns), demand.ceiling_ns(self._now_ns)
        index = len(self._conditions)
        tat, floor, add, fresh, latest = (f"{mark}{index}" for mark in ("#tat", ":floor", ":add", ":fresh", ":latest"))
        self._names[tat] = attribute
        self._values[floor] = a.number(shift.floor_ns)
        if tat_ns is None or tat_ns < shift.floor_ns:
            self._sets.append(f"{tat} = {fresh}")
            self._conditions.append(f"(attribute_not_exists({tat}) OR {tat} < {floor})")
            self._values[fresh] = a.number(shift.floor_ns + shift.add_ns)
            return
        self._sets.append(f"{tat} = {tat} + {add}")
        self._values[add] = a.number(shift.add_ns)
        if ceiling is None:
            self._conditions.append(f"{tat} >= {floor}")
        else:
            self._conditions.append(f"{tat} BETWEEN {floor} AND {latest}")
            self._values[latest] = a.number(ceiling - shift.add_ns)

    def payload(self, table: str, subject: str) -> dict[str, Any]:
        return {
            "TableName": table,
            "Key": {"subject": a.text(subject)},
            "UpdateExpression": "SET " + ", ".join(self._sets),
            "ConditionExpression": " AND ".join(self._conditions),
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": self._values,
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }


def _fit(tats: Mapping[str, int], demands: Mapping[str, Demand], now_ns: int) -> bool:
    return all(demand.fits(tats.get(attribute, 0), now_ns) for attribute, demand in demands.items())


def _tats(item: Item, demands: Mapping[str, Demand]) -> dict[str, int]:
    return {attribute: a.read_number(item, attribute) for attribute in demands if attribute in item}
