"""Changes of a key in one transaction: its records, its share of the account's budget, and the account's key epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

from multiconnection.domain.api_keys import ApiKey
from multiconnection.services.keys import CAPPED_KEYS_MAX, DELETED, AccountRefusedKey, KeyChanged

from . import attributes as a
from . import balances
from .driver import Driver, Item, TransactionCancelled
from .keys import cap_name, item_of, unchanged

_CONDITION_FAILED = "ConditionalCheckFailed"


class KeyChangesTable:
    """Implements `KeyChangeStore`. Each method is one transaction; repeated, it is refused as KeyChanged."""

    def __init__(self, driver: Driver, keys_table: str, balances_table: str) -> None:
        self._driver = driver
        self._keys = keys_table
        self._balances = balances_table

    async def replace(self, pairs: Sequence[tuple[ApiKey, ApiKey]]) -> None:
        """(as read, as it shall be) of a key, then of the secrets it has replaced.

        Raises KeyChanged, AccountRefusedKey (no budget slot, or less budget than is used) or StoreError.
        """
        before, after = pairs[0]
        puts = [self._put(old, new) for old, new in pairs]
        reasons = await self._transact(self._account(before, after), *puts)
        if any(code == _CONDITION_FAILED for code in reasons[1:]):
            raise KeyChanged(before.key_id)
        if reasons:
            raise AccountRefusedKey(before.account_id)

    async def rotate(self, before: ApiKey, retired: ApiKey, new: ApiKey, gone: Sequence[str]) -> None:
        """`new` takes the place of `before`, which stays as `retired`; `gone` are hashes of secrets long ended.

        May be repeated with the same new secret. Raises KeyChanged or StoreError.
        """
        put_new = {
            "TableName": self._keys,
            "Item": item_of(new),
            "ConditionExpression": "attribute_not_exists(key_hash)",
        }
        deletes = [{"Delete": {"TableName": self._keys, "Key": _key(key_hash)}} for key_hash in gone]
        reasons = await self._transact({"Put": put_new}, self._put(before, retired), self._account(new, new), *deletes)
        # Nobody else can have made this secret: it is an earlier attempt's.
        if reasons and reasons[0] != _CONDITION_FAILED:
            raise KeyChanged(before.key_id)

    async def remove(self, key: ApiKey) -> None:
        """Take an ended key's record away for good. Harmless when it is gone already. Raises StoreError."""
        delete = {"TableName": self._keys, "Key": _key(key.key_hash), "ConditionExpression": unchanged(key)[0]}
        if values := unchanged(key)[1]:
            delete["ExpressionAttributeValues"] = values
        if key.status == DELETED or key.budget_nano is None:
            await self._transact({"Delete": delete})
            return
        released = self._update(key, "nk = nk - :one", {}, "attribute_exists(#k)", "REMOVE #k")
        await self._transact({"Delete": delete}, released)

    def _put(self, before: ApiKey, after: ApiKey) -> Mapping[str, Any]:
        condition, values = unchanged(before)
        item = item_of(after) | {"revision": a.number(before.revision + 1)}
        put = {
            "TableName": self._keys,
            "Item": item,
            # The status beside the revision: a deploy leaves processes behind that do not count revisions.
            "ConditionExpression": f"{condition} AND #status = :was",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": values | {":was": a.text(before.status)},
        }
        return {"Put": put}

    def _account(self, before: ApiKey, after: ApiKey) -> Mapping[str, Any]:
        """The budget moves by the difference, so that what is spent or set aside stays counted."""
        old, new = before.budget_nano, after.budget_nano
        if old is None and new is not None:
            values = {":budget": a.number(new), ":max": a.number(CAPPED_KEYS_MAX)}
            condition = "attribute_not_exists(#k) AND nk < :max"
            return self._update(after, "#k = :budget, nk = nk + :one", values, condition)
        if old is not None and new is None:
            return self._update(after, "nk = nk - :one", {}, "attribute_exists(#k)", "REMOVE #k")
        if old is not None and new is not None and old != new:
            values = {":more": a.number(new - old), ":least": a.number(max(0, old - new))}
            return self._update(after, "#k = #k + :more", values, "#k >= :least")
        return self._update(after, "", {}, "")

    def _update(self, key: ApiKey, sets: str, values: Item, condition: str, removes: str = "") -> Mapping[str, Any]:
        assignments = ", ".join(part for part in ("ke = ke + :one, v = v + :one", sets) if part)
        conditions = " AND ".join(part for part in ("attribute_exists(account_id)", condition) if part)
        update: dict[str, Any] = {
            "TableName": self._balances,
            "Key": balances.item_key(key.account_id),
            "UpdateExpression": f"SET {assignments} {removes}".strip(),
            "ConditionExpression": conditions,
            "ExpressionAttributeValues": values | {":one": a.number(1)},
        }
        if condition:
            update["ExpressionAttributeNames"] = {"#k": cap_name(key)}
        return {"Update": update}

    async def _transact(self, *actions: Mapping[str, Any]) -> Sequence[str]:
        """Why each action was refused; nothing when it was done."""
        try:
            await self._driver.call("TransactWriteItems", {"TransactItems": list(actions)})
        except TransactionCancelled as exc:
            return [code for code, _ in exc.reasons]
        return ()


def _key(key_hash: str) -> Item:
    return {"key_hash": a.text(key_hash)}
