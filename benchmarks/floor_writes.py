"""The writes of one call, as the gateway makes them, prepared once: reserve, decide and apply on scratch tables."""

from collections.abc import Mapping
from itertools import count
from time import time
from typing import Any

from multiconnection.aws.dynamo import Driver
from multiconnection.ledger import items as ledger_items
from multiconnection.ledger.models import AccountLimits, Hold, UsageRow
from multiconnection.usage import Ended, Usage, UsageSource

ACCOUNT = "floor"
HOLD_NANO = 12_345_678
COST_NANO = 345_678
FUNDS_NANO = 10**15
_HOLD = Hold(ACCOUNT, "x" * 12, HOLD_NANO, int(time()) + 1020, "k" * 8, False, "g41", 1, birth=1)

Payload = Mapping[str, Any]


class FloorWrites:
    """The gateway's own requests (its expressions, its sizes), with nothing left to compute but the ids."""

    def __init__(self, driver: Driver, balances_table: str, usage_table: str) -> None:
        self._driver = driver
        self._balances_table = balances_table
        self._reserve = ledger_items.reserve(
            balances_table, _HOLD, key_epoch=0, in_flight_max=256, activity_bucket=int(time()) // 300
        )
        self._apply = ledger_items.apply(balances_table, _HOLD, COST_NANO, return_to_cap=False)
        self._decide = ledger_items.decide(usage_table, _row())
        self._numbers = count()
        self._run = f"{int(time()):x}"[-6:]

    async def open_account(self) -> None:
        """With money enough for any run."""
        item = dict(ledger_items.create(self._balances_table, ACCOUNT, "Floor", int(time()), AccountLimits())["Item"])
        item |= {name: {"N": str(FUNDS_NANO)} for name in ("avail", "credits_in")}
        await self._driver.call("PutItem", {"TableName": self._balances_table, "Item": item})

    async def reserve(self) -> tuple[str, dict[str, str]]:
        """The new hold's id and its birth."""
        hold_id = f"{self._run}{next(self._numbers):06d}"
        birth = f"b_{hold_id}"
        names = {"#h": f"h_{hold_id}", "#b": birth, "#st": "st"}
        answer = await self._driver.call("UpdateItem", {**self._reserve, "ExpressionAttributeNames": names})
        found: dict[str, str] = answer["Attributes"][birth]
        return hold_id, found

    async def settle(self, hold_id: str, birth: dict[str, str]) -> None:
        """Decide, then apply."""
        item = {**self._decide["Item"], "request_id": {"S": hold_id}}
        await self._driver.call("PutItem", {**self._decide, "Item": item})
        changed = {
            "ExpressionAttributeNames": {"#h": f"h_{hold_id}", "#b": f"b_{hold_id}"},
            "ExpressionAttributeValues": {**self._apply["ExpressionAttributeValues"], ":bv": birth},
        }
        await self._driver.call("UpdateItem", {**self._apply, **changed})


def _row() -> UsageRow:
    return UsageRow(
        account_id=ACCOUNT,
        hold_id=_HOLD.hold_id,
        birth=1,
        hold=HOLD_NANO,
        cost=COST_NANO,
        overrun=0,
        key_id=_HOLD.key_id,
        model="gpt-4.1-mini",
        price_version=1,
        usage=Usage(input=20, output=20),
        usage_source=UsageSource.UPSTREAM,
        ended=Ended.COMPLETE,
        decided_by="gateway",
        created_ms=int(time() * 1000),
        provider="demo",
        attempts=1,
        endpoint="chat.completions",
        streamed=False,
        duration_ms=12,
    )
