"""Table Balances beside the ledger: status and test credit of an account, its owner's e-mail address and name.

Every write to an account's item raises its version `v`, as those of the ledger do.
"""

import contextlib
from typing import Any

from multiconnection.audit.log import AuditedWrites, AuditEntry, WriteRefused
from multiconnection.aws import dynamo as a
from multiconnection.aws.dynamo import ConditionFailed, Driver, Item
from multiconnection.ledger import items as ledger_items
from multiconnection.ledger.models import CreditRow

from .models import AWAITED, AccountPage, AccountRecord, GrantRefused, StatusRefused, Withheld

# Few of many accounts await a test credit.
ROWS_PER_READ = 1000
_IS_AWAITED = "test_credit IN (:awaited0, :awaited1)"
_AWAITED = {f":awaited{place}": a.text(why) for place, why in enumerate(AWAITED)}
# The place of the credit's row in the transaction that grants.
_ROW = 0


class AdminAccountsTable:
    """Accounts for administrators. A change and its entry of the audit log are one transaction.

    Each method raises StoreError as well; a write may be repeated with the same entry.
    """

    def __init__(self, driver: Driver, balances_table: str, credits_table: str, writes: AuditedWrites) -> None:
        self._driver = driver
        self._table = balances_table
        self._credits = credits_table
        self._writes = writes

    async def record(self, account_id: str) -> AccountRecord | None:
        """Strongly consistent."""
        key = ledger_items.account_key(account_id)
        answer = await self._driver.call("GetItem", {"TableName": self._table, "Key": key, "ConsistentRead": True})
        return _record(answer["Item"]) if "Item" in answer else None

    async def page(self, limit: int, after: str | None, *, awaiting: bool = False) -> AccountPage:
        """Accounts in no particular order; with `awaiting` only those that await a test credit."""
        scan: dict[str, Any] = {"TableName": self._table, "Limit": limit}
        if awaiting:
            return await self._awaiting(scan | {"Limit": ROWS_PER_READ}, limit, after)
        if after is not None:
            scan["ExclusiveStartKey"] = ledger_items.account_key(after)
        answer = await self._driver.call("Scan", scan)
        last = answer.get("LastEvaluatedKey")
        return AccountPage(
            [_record(item) for item in answer["Items"]], a.read_text(last, "account_id") if last else None
        )

    async def _awaiting(self, scan: dict[str, Any], limit: int, after: str | None) -> AccountPage:
        """The first `limit` accounts that one read of the table finds."""
        scan |= {"FilterExpression": _IS_AWAITED, "ExpressionAttributeValues": _AWAITED}
        if after is not None:
            scan["ExclusiveStartKey"] = ledger_items.account_key(after)
        answer = await self._driver.call("Scan", scan)
        found = [_record(item) for item in answer["Items"]]
        if len(found) > limit:
            return AccountPage(found[:limit], found[limit - 1].image.account_id)
        last = answer.get("LastEvaluatedKey")
        return AccountPage(found, a.read_text(last, "account_id") if last else None)

    async def grant(self, row: CreditRow, entry: AuditEntry) -> None:
        """Credit row, balance and entry of an awaited test credit at once. Raises GrantRefused."""
        credit = ledger_items.credit(self._table, row.account_id, row.amount)
        change = {
            **credit,
            "UpdateExpression": f"{credit['UpdateExpression']} REMOVE test_credit",
            "ConditionExpression": f"{credit['ConditionExpression']} AND {_IS_AWAITED}",
            "ExpressionAttributeValues": credit["ExpressionAttributeValues"] | _AWAITED,
        }
        try:
            await self._writes.write(entry, {"Put": ledger_items.put_once(self._credits, row)}, {"Update": change})
        except WriteRefused as exc:
            if _ROW in exc.refused:
                # Granted by a sign-in whose last write was lost: the account awaits it no more.
                await forget_withheld(self._driver, self._table, row.account_id)
            raise GrantRefused(is_granted=_ROW in exc.refused) from exc

    async def set_status(self, account_id: str, from_: str, to: str, entry: AuditEntry) -> None:
        """Raises StatusRefused unless the account has status `from_`."""
        update = ledger_items.set_status(self._table, account_id, to)
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
            raise StatusRefused(ledger_items.parse_account(item) if item else None) from exc


def _record(item: Item) -> AccountRecord:
    return AccountRecord(ledger_items.parse_account(item), a.read_text(item, "email"), withheld_of(item))


class ProfilesTable:
    """Owners' profiles for the operator's lists, and which mailboxes have had a test credit.

    Each method raises StoreError.
    """

    def __init__(self, driver: Driver, balances_table: str, credits_table: str) -> None:
        self._driver = driver
        self._table = balances_table
        self._credits = credits_table

    async def claim(self, mailbox: str, account_id: str) -> bool:
        """True for the first account of the mailbox to ask, however often it asks.

        The claim lies beside the credits under a key of its own, so that no account's credits include it.
        """
        request = {
            "TableName": self._credits,
            "Item": ledger_items.credit_key(f"mailbox#{mailbox}", "claim") | {"claimed_by": a.text(account_id)},
            "ConditionExpression": "attribute_not_exists(account_id) OR claimed_by = :me",
            "ExpressionAttributeValues": {":me": a.text(account_id)},
        }
        try:
            await self._driver.call("PutItem", request)
        except ConditionFailed:
            return False
        return True

    async def remember(self, account_id: str, email: str, name: str) -> None:
        """Keep the owner's address and name; the condition fails where nothing has changed."""
        request = {
            "TableName": self._table,
            "Key": ledger_items.account_key(account_id),
            "UpdateExpression": "SET email = :email, #name = :name, v = v + :one",
            "ConditionExpression": (
                "attribute_exists(account_id) AND (attribute_not_exists(email) OR email <> :email OR #name <> :name)"
            ),
            "ExpressionAttributeNames": {"#name": "name"},
            "ExpressionAttributeValues": {":email": a.text(email), ":name": a.text(name), ":one": a.number(1)},
        }
        with contextlib.suppress(ConditionFailed):
            await self._driver.call("UpdateItem", request)

    async def withhold(self, account_id: str, why: Withheld | None) -> None:
        """Keep why an account has no test credit; None where it has one."""
        if why is None:
            await forget_withheld(self._driver, self._table, account_id)
            return
        request = {
            "TableName": self._table,
            "Key": ledger_items.account_key(account_id),
            "UpdateExpression": "SET test_credit = :why, v = v + :one",
            "ConditionExpression": (
                "attribute_exists(account_id) AND (attribute_not_exists(test_credit) OR test_credit <> :why)"
            ),
            "ExpressionAttributeValues": {":why": a.text(why), ":one": a.number(1)},
        }
        with contextlib.suppress(ConditionFailed):
            await self._driver.call("UpdateItem", request)

    async def withheld(self, account_id: str) -> Withheld | None:
        request = {"TableName": self._table, "Key": ledger_items.account_key(account_id), "ConsistentRead": True}
        return withheld_of((await self._driver.call("GetItem", request)).get("Item") or {})


def withheld_of(item: Item) -> Withheld | None:
    match a.read_text(item, "test_credit"):
        case "awaiting_approval" | "network_limit" | "mailbox_used" as why:
            return why
    return None


async def forget_withheld(driver: Driver, balances_table: str, account_id: str) -> None:
    """Remove the reason from an account that has its test credit. Raises StoreError."""
    request = {
        "TableName": balances_table,
        "Key": ledger_items.account_key(account_id),
        "UpdateExpression": "SET v = v + :one REMOVE test_credit",
        "ConditionExpression": "attribute_exists(test_credit)",
        "ExpressionAttributeValues": {":one": a.number(1)},
    }
    with contextlib.suppress(ConditionFailed):
        await driver.call("UpdateItem", request)
