"""Table Limits: one item per limited subject, one TAT attribute per limited quantity, exact under concurrency.

DynamoDB has no max(), so `max(tat, floor) + add` is written in one of two forms: added to the stored value when that
is at or above the floor, or set to `floor + add` when it is below or absent. The condition contains the form, so a
wrong guess changes nothing, and the image that comes with the failed condition shows which form is right.
"""

from collections.abc import Mapping
from typing import Any

from multiconnection.aws import dynamo as a
from multiconnection.aws.dynamo import ConditionFailed, Driver, Item

from .gcra import SECOND_NS, Demand, TakeResult

# A wrong form costs one more attempt; more than two mean that others move the item across a floor meanwhile.
ATTEMPTS_MAX = 6
# The longest window in use, so that a subject is not forgotten before its queue is empty.
IDLE_S = 3600


class LimitsTable:
    """Takes from rate limits, and slots of which each member gets one."""

    def __init__(self, driver: Driver, table: str) -> None:
        self._driver = driver
        self._table = table

    async def take(
        self, subject: str, now_ns: int, demands: Mapping[str, Demand], hint: Mapping[str, int] | None = None
    ) -> TakeResult:
        """Grant all demands, by attribute, or none of them, in one conditional write.

        `hint` is the TATs last seen: it saves an attempt and never decides. A refusal carries the TATs that caused
        it, or the hint if the demands do not fit even an empty queue. Raises StoreError.
        """
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
        """True if `member` is among the first `most` that asked. One conditional write, which may be repeated.

        Raises StoreError.
        """
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
    """The expressions of one attempt, built attribute by attribute."""

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._sets = ["#expires = :expires"]
        self._conditions: list[str] = []
        self._names = {"#expires": "expires_at"}
        self._values: Item = {":expires": a.number(now_ns // SECOND_NS + IDLE_S)}

    def add(self, attribute: str, demand: Demand, tat_ns: int | None) -> None:
        """Use the additive form when the last TAT seen is at or above the floor."""
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
