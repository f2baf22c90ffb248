"""The ledger's `Store` on DynamoDB, over any driver."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from multiconnection.domain.holds import Hold
from multiconnection.ledger.accounts import Account, AccountLimits, CreditRow, UsageRow
from multiconnection.ledger.store import (
    AccountRefused,
    AlreadyCredited,
    AlreadyDecided,
    OrderNotApproved,
    OutcomeUnknown,
)

from . import attributes as a
from . import balances, credits, orders, usage
from .driver import ConditionFailed, Driver, Item, TransactionCancelled
from .paging import items


@dataclass(frozen=True, slots=True)
class LedgerTables:
    """Physical names of the tables that hold money; only the recharge worker credits orders."""

    balances: str
    usage: str
    credits: str
    orders: str = ""


class DynamoStore:
    """Implements `Store`: one database operation a method, foreign errors translated here and nowhere else."""

    def __init__(self, driver: Driver, tables: LedgerTables) -> None:
        self._driver = driver
        self._tables = tables

    async def reserve(self, hold: Hold, *, key_epoch: int, in_flight_max: int, activity_bucket: int) -> Account:
        return await self._mutate(
            balances.reserve(
                self._tables.balances,
                hold,
                key_epoch=key_epoch,
                in_flight_max=in_flight_max,
                activity_bucket=activity_bucket,
            )
        )

    async def apply(self, hold: Hold, cost: int, *, return_to_cap: bool) -> Account:
        return await self._mutate(balances.apply(self._tables.balances, hold, cost, return_to_cap=return_to_cap))

    async def set_status(self, account_id: str, status: str) -> Account:
        return await self._mutate(balances.set_status(self._tables.balances, account_id, status))

    async def forget_activity(self, account_id: str, activity_bucket: int) -> None:
        await self._mutate(balances.forget_activity(self._tables.balances, account_id, activity_bucket))

    async def decide(self, row: UsageRow) -> None:
        try:
            await self._driver.call("PutItem", usage.decide(self._tables.usage, row))
        except ConditionFailed as exc:
            raise AlreadyDecided(await self._winner(exc.item, row)) from exc

    async def create_account(self, account_id: str, name: str, created_s: int, limits: AccountLimits) -> Account:
        request = balances.create(self._tables.balances, account_id, name, created_s, limits)
        try:
            await self._driver.call("PutItem", request)
        except ConditionFailed as exc:
            raise AccountRefused(balances.parse(exc.item) if exc.item else None) from exc
        return balances.parse(request["Item"])

    async def credit(self, row: CreditRow) -> None:
        await self._transact_credit(row)

    async def credit_order(self, row: CreditRow) -> None:
        await self._transact_credit(row, {"Update": orders.credited(self._tables.orders, row)})

    async def account(self, account_id: str) -> Account | None:
        item = await self._get(self._tables.balances, balances.item_key(account_id))
        return balances.parse(item) if item else None

    async def credit_row(self, account_id: str, credit_id: str) -> CreditRow | None:
        item = await self._get(self._tables.credits, credits.item_key(account_id, credit_id))
        return credits.parse(item) if item else None

    async def usage_row(self, account_id: str, hold_id: str) -> UsageRow | None:
        item = await self._get(self._tables.usage, usage.item_key(account_id, hold_id))
        return usage.parse(item) if item else None

    async def usage_rows(self, account_id: str) -> AsyncIterator[UsageRow]:
        async for item in self._rows(self._tables.usage, account_id):
            yield usage.parse(item)

    async def credit_rows(self, account_id: str) -> AsyncIterator[CreditRow]:
        async for item in self._rows(self._tables.credits, account_id):
            yield credits.parse(item)

    async def active_account_ids(self) -> AsyncIterator[str]:
        for shard in range(balances.ACTIVITY_SHARDS):
            async for item in items(self._driver, "Query", balances.query_active(self._tables.balances, shard)):
                yield a.read_text(item, "account_id")

    async def all_account_ids(self) -> AsyncIterator[str]:
        async for item in items(self._driver, "Scan", balances.scan_ids(self._tables.balances)):
            yield a.read_text(item, "account_id")

    async def _mutate(self, request: Mapping[str, Any]) -> Account:
        try:
            answer = await self._driver.call("UpdateItem", request)
        except ConditionFailed as exc:
            raise AccountRefused(balances.parse(exc.item) if exc.item else None) from exc
        return balances.parse(answer["Attributes"])

    async def _transact_credit(self, row: CreditRow, *more: Mapping[str, Any]) -> None:
        actions = [
            {"Put": credits.put_once(self._tables.credits, row)},
            {"Update": balances.credit(self._tables.balances, row.account_id, row.amount)},
            *more,
        ]
        try:
            await self._driver.call("TransactWriteItems", {"TransactItems": actions})
        except TransactionCancelled as exc:
            raise await self._credit_refusal(exc, row) from exc

    async def _get(self, table: str, key: Item) -> Item | None:
        answer = await self._driver.call("GetItem", {"TableName": table, "Key": key, "ConsistentRead": True})
        return answer.get("Item")

    def _rows(self, table: str, account_id: str) -> AsyncIterator[Item]:
        """One account's rows, strongly consistent."""
        query = {
            "TableName": table,
            "KeyConditionExpression": "account_id = :account",
            "ExpressionAttributeValues": {":account": a.text(account_id)},
            "ConsistentRead": True,
        }
        return items(self._driver, "Query", query)

    async def _winner(self, item: Item | None, row: UsageRow) -> UsageRow:
        """Some emulators leave the item out of a failed put; rows never disappear, so it can be read."""
        if item:
            return usage.parse(item)
        found = await self.usage_row(row.account_id, row.hold_id)
        if found is None:
            raise OutcomeUnknown("a usage row was there and is gone")
        return found

    async def _credit_refusal(self, exc: TransactionCancelled, row: CreditRow) -> Exception:
        (put_code, put_item), (update_code, update_item), *order = exc.reasons
        if put_code == "ConditionalCheckFailed":
            found = credits.parse(put_item) if put_item else await self.credit_row(row.account_id, row.credit_id)
            return AlreadyCredited(found) if found else OutcomeUnknown("a credit row was there and is gone")
        for order_code, order_item in order:
            if order_code == "ConditionalCheckFailed":
                return OrderNotApproved(a.read_text(order_item, "status") if order_item else None)
        if update_code == "ConditionalCheckFailed":
            return AccountRefused(balances.parse(update_item) if update_item else None)
        return OutcomeUnknown(str(exc))
