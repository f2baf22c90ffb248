"""E-mail address and name beside an account's balance, for the operator's lists, and which mailbox had its credit."""

import contextlib

from multiconnection.services.onboarding import Withheld

from . import attributes as a
from . import balances, credits
from .driver import ConditionFailed, Driver, Item


class ProfilesTable:
    """Implements `ProfileStore` over table Balances; `v` rises as with every write to an account's item."""

    def __init__(self, driver: Driver, balances_table: str, credits_table: str) -> None:
        self._driver = driver
        self._table = balances_table
        self._credits = credits_table

    async def claim(self, mailbox: str, account_id: str) -> bool:
        """One conditional write beside the credits, under a key of its own; whoever reads credits names an account."""
        request = {
            "TableName": self._credits,
            "Item": credits.item_key(f"mailbox#{mailbox}", "claim") | {"claimed_by": a.text(account_id)},
            "ConditionExpression": "attribute_not_exists(account_id) OR claimed_by = :me",
            "ExpressionAttributeValues": {":me": a.text(account_id)},
        }
        try:
            await self._driver.call("PutItem", request)
        except ConditionFailed:
            return False
        return True

    async def remember(self, account_id: str, email: str, name: str) -> None:
        """One conditional write, which fails where nothing has changed. Raises StoreError."""
        request = {
            "TableName": self._table,
            "Key": balances.item_key(account_id),
            "UpdateExpression": "SET email = :email, #name = :name, v = v + :one",
            "ConditionExpression": (
                "attribute_exists(account_id) AND (attribute_not_exists(email) OR email <> :email OR #name <> :name)"
            ),
            "ExpressionAttributeNames": {"#name": "name"},
            "ExpressionAttributeValues": {":email": a.text(email), ":name": a.text(name), ":one": a.number(1)},
        }
        try:
            await self._driver.call("UpdateItem", request)
        except ConditionFailed:
            return

    async def withhold(self, account_id: str, why: Withheld | None) -> None:
        """One conditional write, which fails where nothing has changed. Raises StoreError."""
        if why is None:
            await forget_withheld(self._driver, self._table, account_id)
            return
        request = {
            "TableName": self._table,
            "Key": balances.item_key(account_id),
            "UpdateExpression": "SET test_credit = :why, v = v + :one",
            "ConditionExpression": (
                "attribute_exists(account_id) AND (attribute_not_exists(test_credit) OR test_credit <> :why)"
            ),
            "ExpressionAttributeValues": {":why": a.text(why), ":one": a.number(1)},
        }
        with contextlib.suppress(ConditionFailed):
            await self._driver.call("UpdateItem", request)

    async def withheld(self, account_id: str) -> Withheld | None:
        request = {"TableName": self._table, "Key": balances.item_key(account_id), "ConsistentRead": True}
        return withheld_of((await self._driver.call("GetItem", request)).get("Item") or {})


def withheld_of(item: Item) -> Withheld | None:
    match a.read_text(item, "test_credit"):
        case "awaiting_approval" | "network_limit" | "mailbox_used" as why:
            return why
    return None


async def forget_withheld(driver: Driver, balances_table: str, account_id: str) -> None:
    """The account has its test credit. Raises StoreError."""
    request = {
        "TableName": balances_table,
        "Key": balances.item_key(account_id),
        "UpdateExpression": "SET v = v + :one REMOVE test_credit",
        "ConditionExpression": "attribute_exists(test_credit)",
        "ExpressionAttributeValues": {":one": a.number(1)},
    }
    with contextlib.suppress(ConditionFailed):
        await driver.call("UpdateItem", request)
