"""Table Balances as administrators read it: with e-mail addresses, page by page; and the status of an account."""

from typing import Any

from multiconnection.ledger.accounts import CreditRow
from multiconnection.services.admin_accounts import AccountPage, AccountRecord, GrantRefused, StatusRefused
from multiconnection.services.audit import AuditEntry
from multiconnection.services.onboarding import AWAITED

from . import attributes as a
from . import balances, credits
from .audit import AuditedWrites, WriteRefused
from .driver import Driver, Item
from .profiles import forget_withheld, withheld_of

# Few accounts wait among many.
ROWS_PER_READ = 1000
_IS_AWAITED = "test_credit IN (:awaited0, :awaited1)"
_AWAITED = {f":awaited{place}": a.text(why) for place, why in enumerate(AWAITED)}
# The place of the credit's row in the transaction that grants.
_ROW = 0


class AdminAccountsTable:
    """Implements `AccountStore`."""

    def __init__(self, driver: Driver, balances_table: str, credits_table: str, writes: AuditedWrites) -> None:
        self._driver = driver
        self._table = balances_table
        self._credits = credits_table
        self._writes = writes

    async def record(self, account_id: str) -> AccountRecord | None:
        key = balances.item_key(account_id)
        answer = await self._driver.call("GetItem", {"TableName": self._table, "Key": key, "ConsistentRead": True})
        return _record(answer["Item"]) if "Item" in answer else None

    async def page(self, limit: int, after: str | None, *, awaiting: bool = False) -> AccountPage:
        scan: dict[str, Any] = {"TableName": self._table, "Limit": limit}
        if awaiting:
            return await self._awaiting(scan | {"Limit": ROWS_PER_READ}, limit, after)
        if after is not None:
            scan["ExclusiveStartKey"] = balances.item_key(after)
        answer = await self._driver.call("Scan", scan)
        last = answer.get("LastEvaluatedKey")
        return AccountPage(
            [_record(item) for item in answer["Items"]], a.read_text(last, "account_id") if last else None
        )

    async def _awaiting(self, scan: dict[str, Any], limit: int, after: str | None) -> AccountPage:
        """Up to `limit` of the accounts that a read or two of the table find."""
        scan |= {"FilterExpression": _IS_AWAITED, "ExpressionAttributeValues": _AWAITED}
        if after is not None:
            scan["ExclusiveStartKey"] = balances.item_key(after)
        answer = await self._driver.call("Scan", scan)
        found = [_record(item) for item in answer["Items"]]
        if len(found) > limit:
            return AccountPage(found[:limit], found[limit - 1].image.account_id)
        last = answer.get("LastEvaluatedKey")
        return AccountPage(found, a.read_text(last, "account_id") if last else None)

    async def grant(self, row: CreditRow, entry: AuditEntry) -> None:
        credit = balances.credit(self._table, row.account_id, row.amount)
        change = {
            **credit,
            "UpdateExpression": f"{credit['UpdateExpression']} REMOVE test_credit",
            "ConditionExpression": f"{credit['ConditionExpression']} AND {_IS_AWAITED}",
            "ExpressionAttributeValues": credit["ExpressionAttributeValues"] | _AWAITED,
        }
        try:
            await self._writes.write(entry, {"Put": credits.put_once(self._credits, row)}, {"Update": change})
        except WriteRefused as exc:
            if _ROW in exc.refused:
                # Granted by a sign-in whose last write was lost: it waits no more.
                await forget_withheld(self._driver, self._table, row.account_id)
            raise GrantRefused(is_granted=_ROW in exc.refused) from exc

    async def set_status(self, account_id: str, from_: str, to: str, entry: AuditEntry) -> None:
        update = balances.set_status(self._table, account_id, to)
        names = {**update["ExpressionAttributeNames"]}
        values = {**update["ExpressionAttributeValues"], ":from": a.text(from_)}
        change = {name: value for name, value in update.items() if name != "ReturnValues"} | {
            "ConditionExpression": "#st = :from",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        try:
            await self._writes.write(entry, {"Update": change})
        except WriteRefused as exc:
            item = exc.refused[0]
            raise StatusRefused(balances.parse(item) if item else None) from exc


def _record(item: Item) -> AccountRecord:
    return AccountRecord(balances.parse(item), a.read_text(item, "email"), withheld_of(item))
