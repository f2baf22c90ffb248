"""Table Balances as administrators read it: with e-mail addresses, page by page; and the status of an account."""

from typing import Any

from multiconnection.services.admin_accounts import AccountPage, AccountRecord, StatusRefused
from multiconnection.services.audit import AuditEntry

from . import attributes as a
from . import balances
from .audit import AuditedWrites, WriteRefused
from .driver import Driver, Item


class AdminAccountsTable:
    """Implements `AccountStore`."""

    def __init__(self, driver: Driver, balances_table: str, writes: AuditedWrites) -> None:
        self._driver = driver
        self._table = balances_table
        self._writes = writes

    async def record(self, account_id: str) -> AccountRecord | None:
        key = balances.item_key(account_id)
        answer = await self._driver.call("GetItem", {"TableName": self._table, "Key": key, "ConsistentRead": True})
        return _record(answer["Item"]) if "Item" in answer else None

    async def page(self, limit: int, after: str | None) -> AccountPage:
        scan: dict[str, Any] = {"TableName": self._table, "Limit": limit}
        if after is not None:
            scan["ExclusiveStartKey"] = balances.item_key(after)
        answer = await self._driver.call("Scan", scan)
        last = answer.get("LastEvaluatedKey")
        return AccountPage(
            [_record(item) for item in answer["Items"]], a.read_text(last, "account_id") if last else None
        )

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
    return AccountRecord(balances.parse(item), a.read_text(item, "email"))
