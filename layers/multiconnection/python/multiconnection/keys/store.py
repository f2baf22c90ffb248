"""Table Keys: one item per secret, under its hash; every change is one transaction with the key's account."""

from collections.abc import Mapping, Sequence
from typing import Any

from multiconnection.aws import dynamo as a
from multiconnection.aws.dynamo import Driver, Item, TransactionCancelled, query_items
from multiconnection.ledger import items as ledger_items

from .models import API, CAPPED_KEYS_MAX, DELETED, AccountRefusedKey, ApiKey, KeyChanged

INDEX = "by_account"
# 1 MB a page: more than a hundred thousand keys, deleted ones included.
PAGES_MAX = 64
# Rotations that the index may be behind by.
SUCCESSORS_MAX = 8
_CONDITION_FAILED = "ConditionalCheckFailed"
_NUMBERS = {
    "expires_s": "expires",
    "requests_per_minute": "rpm",
    "tokens_per_minute": "tpm",
    "budget_nano": "budget",
    "retires_s": "retires",
}


class KeysTable:
    """Reads records by hash, id and account. Each write is one transaction and may be repeated.

    Writes that revoke or change a key raise the account's key epoch in their transaction: they take effect at the next
    reserve. All methods raise StoreError.
    """

    def __init__(self, driver: Driver, keys_table: str, balances_table: str) -> None:
        self._driver = driver
        self._keys = keys_table
        self._balances = balances_table

    async def find(self, key_hash: str) -> ApiKey | None:
        """Strongly consistent."""
        payload = {"TableName": self._keys, "Key": _key(key_hash), "ConsistentRead": True}
        answer = await self._driver.call("GetItem", payload)
        return parse(answer["Item"]) if "Item" in answer else None

    async def by_id(self, account_id: str, key_id: str) -> ApiKey | None:
        """The newest secret of a key; strongly consistent once the key is a second old.

        The index knows the hashes, the table knows the key as it is now.
        """
        query = self._query(account_id)
        query["KeyConditionExpression"] += " AND key_id = :key"
        query["ExpressionAttributeValues"][":key"] = a.text(key_id)
        found = [parse(item) for item in (await self._driver.call("Query", query))["Items"]]
        if not found:
            return None
        newest = max(found, key=lambda key: (not key.replaced_by, key.created_s))
        return await self._newest_after(newest.key_hash)

    async def list(self, account_id: str) -> list[ApiKey]:
        """All records of an account, deleted ones too; eventually consistent."""
        found = query_items(self._driver, "Query", self._query(account_id), PAGES_MAX)
        return [parse(item) async for item in found]

    async def create(self, key: ApiKey) -> None:
        """Repeating it is harmless: the hash is unguessable, so an existing item is an earlier attempt's.

        Raises AccountRefusedKey.
        """
        put = {"TableName": self._keys, "Item": item_of(key), "ConditionExpression": "attribute_not_exists(key_hash)"}
        reasons = await self._transact({"Put": put}, self._admission(key))
        if reasons and reasons[0] != _CONDITION_FAILED:
            raise AccountRefusedKey(key.account_id)

    async def replace(self, pairs: Sequence[tuple[ApiKey, ApiKey]]) -> None:
        """Write a key, and then the secrets it has replaced, each as (record as read, new record).

        Repeating it is refused as KeyChanged. Raises AccountRefusedKey (no budget slot, or less budget than is used).
        """
        before, after = pairs[0]
        puts = [self._replacement(old, new) for old, new in pairs]
        reasons = await self._transact(self._moved_budget(before, after), *puts)
        if any(code == _CONDITION_FAILED for code in reasons[1:]):
            raise KeyChanged(before.key_id)
        if reasons:
            raise AccountRefusedKey(before.account_id)

    async def rotate(self, before: ApiKey, retired: ApiKey, new: ApiKey, gone: Sequence[str]) -> None:
        """Put `new` in the place of `before`, which stays as `retired`; `gone` are hashes of secrets long ended.

        May be repeated with the same new secret. Raises KeyChanged.
        """
        put_new = {
            "TableName": self._keys,
            "Item": item_of(new),
            "ConditionExpression": "attribute_not_exists(key_hash)",
        }
        deletes = [{"Delete": {"TableName": self._keys, "Key": _key(key_hash)}} for key_hash in gone]
        reasons = await self._transact(
            {"Put": put_new}, self._replacement(before, retired), self._account_change(new), *deletes
        )
        # An existing item with this secret can only be an earlier attempt's.
        if reasons and reasons[0] != _CONDITION_FAILED:
            raise KeyChanged(before.key_id)

    async def delete(self, key: ApiKey) -> None:
        """Delete a key with the secrets it has replaced, or one replaced secret; free the key's budget slot.

        Repeating it is harmless. Raises KeyChanged or AccountRefusedKey.
        """
        frees_slot = key.budget_nano is not None and not key.replaced_by
        reasons = await self._transact(
            {"Update": self._deletion(key)},
            self._freed_slot(key) if frees_slot else self._account_change(key),
            *({"Update": self._end(key_hash)} for key_hash in key.retired),
        )
        if not reasons:
            return
        if reasons[0] != _CONDITION_FAILED:
            raise AccountRefusedKey(key.account_id)
        found = await self.find(key.key_hash)
        if found is not None and found.status != DELETED:
            raise KeyChanged(key.key_id)

    async def remove(self, key: ApiKey) -> None:
        """Take an ended key's record away for good. Harmless if it is gone already."""
        condition, values = _unchanged(key)
        delete = {"TableName": self._keys, "Key": _key(key.key_hash), "ConditionExpression": condition}
        if values:
            delete["ExpressionAttributeValues"] = values
        if key.status == DELETED or key.budget_nano is None:
            await self._transact({"Delete": delete})
            return
        await self._transact({"Delete": delete}, self._freed_slot(key))

    async def _newest_after(self, key_hash: str) -> ApiKey | None:
        """Follow the successors of a secret: the index may not show yet that it was replaced."""
        for _ in range(SUCCESSORS_MAX):
            key = await self.find(key_hash)
            if key is None or not key.replaced_by:
                return key
            key_hash = key.replaced_by
        return None

    def _replacement(self, before: ApiKey, after: ApiKey) -> Mapping[str, Any]:
        condition, values = _unchanged(before)
        put = {
            "TableName": self._keys,
            "Item": item_of(after) | {"revision": a.number(before.revision + 1)},
            # The status beside the revision: a deploy leaves processes behind that do not count revisions.
            "ConditionExpression": f"{condition} AND #status = :was",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": values | {":was": a.text(before.status)},
        }
        return {"Put": put}

    def _deletion(self, key: ApiKey) -> Mapping[str, Any]:
        condition, values = _unchanged(key)
        update = dict(self._end(key.key_hash))
        update["ConditionExpression"] = f"{condition} AND #status <> :deleted"
        update["ExpressionAttributeValues"] |= values
        return update

    def _end(self, key_hash: str) -> Mapping[str, Any]:
        return {
            "TableName": self._keys,
            "Key": _key(key_hash),
            "UpdateExpression": "SET #status = :deleted ADD revision :one",
            "ConditionExpression": "attribute_exists(key_hash)",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":deleted": a.text(DELETED), ":one": a.number(1)},
        }

    def _admission(self, key: ApiKey) -> Mapping[str, Any]:
        """The account's part of a new key: it exists and, for a budget, has a slot left. The epoch stays."""
        account = {"TableName": self._balances, "Key": ledger_items.account_key(key.account_id)}
        if key.budget_nano is None:
            return {"ConditionCheck": account | {"ConditionExpression": "attribute_exists(account_id)"}}
        return {
            "Update": account
            | {
                "UpdateExpression": "SET #k = :budget, nk = nk + :one, v = v + :one",
                "ConditionExpression": "attribute_exists(account_id) AND attribute_not_exists(#k) AND nk < :max",
                "ExpressionAttributeNames": {"#k": _cap_name(key)},
                "ExpressionAttributeValues": {
                    ":budget": a.number(key.budget_nano),
                    ":one": a.number(1),
                    ":max": a.number(CAPPED_KEYS_MAX),
                },
            }
        }

    def _moved_budget(self, before: ApiKey, after: ApiKey) -> Mapping[str, Any]:
        """The budget moves by the difference, so that what is spent or set aside stays counted."""
        old, new = before.budget_nano, after.budget_nano
        if old is None and new is not None:
            values = {":budget": a.number(new), ":max": a.number(CAPPED_KEYS_MAX)}
            condition = "attribute_not_exists(#k) AND nk < :max"
            return self._account_change(after, "#k = :budget, nk = nk + :one", values, condition)
        if old is not None and new is None:
            return self._freed_slot(after)
        if old is not None and new is not None and old != new:
            values = {":more": a.number(new - old), ":least": a.number(max(0, old - new))}
            return self._account_change(after, "#k = #k + :more", values, "#k >= :least")
        return self._account_change(after)

    def _freed_slot(self, key: ApiKey) -> Mapping[str, Any]:
        return self._account_change(key, "nk = nk - :one", {}, "attribute_exists(#k)", "REMOVE #k")

    def _account_change(
        self, key: ApiKey, sets: str = "", values: Item | None = None, condition: str = "", removes: str = ""
    ) -> Mapping[str, Any]:
        """Raise the account's key epoch, together with the changes of the key's budget `#k`."""
        assignments = ", ".join(part for part in ("ke = ke + :one, v = v + :one", sets) if part)
        conditions = " AND ".join(part for part in ("attribute_exists(account_id)", condition) if part)
        update: dict[str, Any] = {
            "TableName": self._balances,
            "Key": ledger_items.account_key(key.account_id),
            "UpdateExpression": f"SET {assignments} {removes}".strip(),
            "ConditionExpression": conditions,
            "ExpressionAttributeValues": {**(values or {}), ":one": a.number(1)},
        }
        if condition:
            update["ExpressionAttributeNames"] = {"#k": _cap_name(key)}
        return {"Update": update}

    def _query(self, account_id: str) -> dict[str, Any]:
        return {
            "TableName": self._keys,
            "IndexName": INDEX,
            "KeyConditionExpression": "account_id = :account",
            "ExpressionAttributeValues": {":account": a.text(account_id)},
        }

    async def _transact(self, *actions: Mapping[str, Any]) -> Sequence[str]:
        """The reason for each action if the transaction was refused, else nothing."""
        try:
            await self._driver.call("TransactWriteItems", {"TransactItems": list(actions)})
        except TransactionCancelled as exc:
            if not exc.reasons:
                raise
            return [code for code, _ in exc.reasons]
        return ()


def item_of(key: ApiKey) -> Item:
    """The stored form; absent attributes are None, empty or 0."""
    item = {
        "key_hash": a.text(key.key_hash),
        "key_id": a.text(key.key_id),
        "account_id": a.text(key.account_id),
        "name": a.text(key.name),
        "status": a.text(key.status),
        "last4": a.text(key.last4),
        "created": a.number(key.created_s),
        "ke": a.number(key.epoch),
        "models": a.texts(key.models),
        "ip_ranges": a.texts(key.ip_ranges),
    }
    found = {attribute: getattr(key, field) for field, attribute in _NUMBERS.items()}
    item |= {attribute: a.number(value) for attribute, value in found.items() if value is not None}
    item |= {"kind": a.text(key.kind)} if key.kind != API else {}
    item |= {"replaced_by": a.text(key.replaced_by)} if key.replaced_by else {}
    item |= {"retired": a.texts(key.retired)} if key.retired else {}
    return item | ({"revision": a.number(key.revision)} if key.revision else {})


def parse(item: Item) -> ApiKey:
    """Raises KeyError or ValueError on a malformed item."""
    return ApiKey(
        key_hash=item["key_hash"]["S"],
        key_id=item["key_id"]["S"],
        account_id=item["account_id"]["S"],
        name=a.read_text(item, "name"),
        status=item["status"]["S"],
        last4=a.read_text(item, "last4"),
        created_s=a.read_number(item, "created"),
        epoch=a.read_number(item, "ke"),
        models=a.read_texts(item, "models"),
        ip_ranges=a.read_texts(item, "ip_ranges"),
        expires_s=a.read_number_or_none(item, "expires"),
        requests_per_minute=a.read_number_or_none(item, "rpm"),
        tokens_per_minute=a.read_number_or_none(item, "tpm"),
        budget_nano=a.read_number_or_none(item, "budget"),
        kind=a.read_text(item, "kind", API),
        replaced_by=a.read_text(item, "replaced_by"),
        retired=a.read_texts(item, "retired"),
        retires_s=a.read_number_or_none(item, "retires"),
        revision=a.read_number_or_none(item, "revision") or 0,
    )


def _unchanged(key: ApiKey) -> tuple[str, Item]:
    """The condition that the record is at the revision that was read, and its values."""
    if not key.revision:
        return "attribute_exists(key_hash) AND attribute_not_exists(revision)", {}
    return "revision = :revision", {":revision": a.number(key.revision)}


def _key(key_hash: str) -> Item:
    return {"key_hash": a.text(key_hash)}


def _cap_name(key: ApiKey) -> str:
    return f"k_{key.key_id}"
