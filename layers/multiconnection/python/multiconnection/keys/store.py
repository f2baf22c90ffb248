"""Table Keys: one item per API key under the hash of its secret; every change is one transaction with its account."""

from collections.abc import Mapping, Sequence
from typing import Any

from multiconnection.aws import dynamo as a
from multiconnection.aws.dynamo import Driver, Item, TransactionCancelled, query_items
from multiconnection.ledger import items as ledger_items

from .models import API, DELETED, ApiKey
from .service import CAPPED_KEYS_MAX, AccountRefusedKey, KeyChanged

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
    """Implements `KeyFinder` and `KeyStore`."""

    def __init__(self, driver: Driver, keys_table: str, balances_table: str) -> None:
        self._driver = driver
        self._keys = keys_table
        self._balances = balances_table

    async def find(self, key_hash: str) -> ApiKey | None:
        """Strongly consistent; raises StoreError."""
        payload = {"TableName": self._keys, "Key": {"key_hash": a.text(key_hash)}, "ConsistentRead": True}
        answer = await self._driver.call("GetItem", payload)
        return parse(answer["Item"]) if "Item" in answer else None

    async def by_id(self, account_id: str, key_id: str) -> ApiKey | None:
        """The index knows the hashes, the table knows the key as it is now; of a rotated key its newest secret."""
        query = self._query(account_id)
        query["KeyConditionExpression"] += " AND key_id = :key"
        query["ExpressionAttributeValues"][":key"] = a.text(key_id)
        found = [parse(item) for item in (await self._driver.call("Query", query))["Items"]]
        if not found:
            return None
        newest = max(found, key=lambda key: (not key.replaced_by, key.created_s))
        return await self._successor(newest.key_hash)

    async def list(self, account_id: str) -> list[ApiKey]:
        """Eventually consistent; raises StoreError."""
        found = query_items(self._driver, "Query", self._query(account_id), PAGES_MAX)
        return [parse(item) async for item in found]

    async def create(self, key: ApiKey) -> None:
        """Repeating it is harmless: the hash is unguessable, so an existing item is an earlier attempt's."""
        put = {"TableName": self._keys, "Item": item_of(key), "ConditionExpression": "attribute_not_exists(key_hash)"}
        try:
            await self._transact({"Put": put}, self._admission(key))
        except TransactionCancelled as exc:
            if exc.reasons[0][0] != _CONDITION_FAILED:
                raise AccountRefusedKey(key.account_id) from exc

    async def delete(self, key: ApiKey) -> None:
        """Delete a key with the secrets it has replaced, or one replaced secret; free the key's budget slot.

        The epoch rises in the same transaction, so it takes effect at the next reserve. Repeating it is harmless.
        """
        frees_slot = key.budget_nano is not None and not key.replaced_by
        try:
            await self._transact(
                {"Update": self._deletion(key)},
                {"Update": self._revocation(key, frees_slot=frees_slot)},
                *({"Update": self._end(key_hash)} for key_hash in key.retired),
            )
        except TransactionCancelled as exc:
            if exc.reasons[0][0] != _CONDITION_FAILED:
                raise AccountRefusedKey(key.account_id) from exc
            found = await self.find(key.key_hash)
            if found is not None and found.status != DELETED:
                raise KeyChanged(key.key_id) from exc

    async def _successor(self, key_hash: str) -> ApiKey | None:
        """The index may not show yet that a secret was replaced."""
        for _ in range(SUCCESSORS_MAX):
            key = await self.find(key_hash)
            if key is None or not key.replaced_by:
                return key
            key_hash = key.replaced_by
        return None

    def _deletion(self, key: ApiKey) -> Mapping[str, Any]:
        condition, values = unchanged(key)
        update = dict(self._end(key.key_hash))
        update["ConditionExpression"] = f"{condition} AND #status <> :deleted"
        update["ExpressionAttributeValues"] |= values
        return update

    def _end(self, key_hash: str) -> Mapping[str, Any]:
        return {
            "TableName": self._keys,
            "Key": {"key_hash": a.text(key_hash)},
            "UpdateExpression": "SET #status = :deleted ADD revision :one",
            "ConditionExpression": "attribute_exists(key_hash)",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":deleted": a.text(DELETED), ":one": a.number(1)},
        }

    def _admission(self, key: ApiKey) -> Mapping[str, Any]:
        """The account's part of a new key: it exists and, for a budget, has a slot left."""
        account = {"TableName": self._balances, "Key": ledger_items.account_key(key.account_id)}
        if key.budget_nano is None:
            return {"ConditionCheck": account | {"ConditionExpression": "attribute_exists(account_id)"}}
        return {
            "Update": account
            | {
                "UpdateExpression": "SET #k = :budget, nk = nk + :one, v = v + :one",
                "ConditionExpression": "attribute_exists(account_id) AND attribute_not_exists(#k) AND nk < :max",
                "ExpressionAttributeNames": {"#k": cap_name(key)},
                "ExpressionAttributeValues": {
                    ":budget": a.number(key.budget_nano),
                    ":one": a.number(1),
                    ":max": a.number(CAPPED_KEYS_MAX),
                },
            }
        }

    def _revocation(self, key: ApiKey, *, frees_slot: bool) -> Mapping[str, Any]:
        update = "SET ke = ke + :one, v = v + :one"
        account: dict[str, Any] = {
            "TableName": self._balances,
            "Key": ledger_items.account_key(key.account_id),
            "UpdateExpression": update,
            "ConditionExpression": "attribute_exists(account_id)",
            "ExpressionAttributeValues": {":one": a.number(1)},
        }
        if frees_slot:
            account["UpdateExpression"] = update + ", nk = nk - :one REMOVE #k"
            account["ConditionExpression"] += " AND attribute_exists(#k)"
            account["ExpressionAttributeNames"] = {"#k": cap_name(key)}
        return account

    def _query(self, account_id: str) -> dict[str, Any]:
        return {
            "TableName": self._keys,
            "IndexName": INDEX,
            "KeyConditionExpression": "account_id = :account",
            "ExpressionAttributeValues": {":account": a.text(account_id)},
        }

    async def _transact(self, *actions: Mapping[str, Any]) -> None:
        await self._driver.call("TransactWriteItems", {"TransactItems": list(actions)})


def unchanged(key: ApiKey) -> tuple[str, Item]:
    """The condition that the record is at the revision that was read, and its values."""
    if not key.revision:
        return "attribute_exists(key_hash) AND attribute_not_exists(revision)", {}
    return "revision = :revision", {":revision": a.number(key.revision)}


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


def cap_name(key: ApiKey) -> str:
    return f"k_{key.key_id}"


# Changes of a key in one transaction: its records, its share of the account's budget, and the account's key epoch.


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
            "Key": ledger_items.account_key(key.account_id),
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
