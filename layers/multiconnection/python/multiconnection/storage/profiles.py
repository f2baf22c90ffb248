"""E-mail address and name beside an account's balance, for the operator's lists; no part of any money decision."""

from . import attributes as a
from . import balances
from .driver import ConditionFailed, Driver


class ProfilesTable:
    """Implements `ProfileStore` over table Balances; `v` rises as with every write to an account's item."""

    def __init__(self, driver: Driver, balances_table: str) -> None:
        self._driver = driver
        self._table = balances_table

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
