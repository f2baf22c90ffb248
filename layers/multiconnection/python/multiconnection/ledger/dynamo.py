"""The ledger on DynamoDB, over any driver, and its fallback queue on SQS."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from multiconnection.aws import dynamo as a
from multiconnection.aws.client import AwsHttp, AwsRefused, AwsService, AwsUnreachable
from multiconnection.aws.dynamo import ConditionFailed, Driver, Item, TransactionCancelled, query_items
from multiconnection.retry import OutcomeUnknown, StoreUnavailable

from . import items
from .models import Account, AccountLimits, CreditRow, Hold, UsageRow
from .store import AccountRefused, AlreadyCredited, AlreadyDecided

# A settlement waits for the queue, so two attempts that hang have to fit into a settlement's time.
CONNECT_TIMEOUT_S = 1.0
SEND_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class LedgerTables:
    """Names of the tables that hold money."""

    balances: str
    usage: str
    credits: str


class DynamoStore:
    """Implements `Store`, with one database operation a method; a failed condition becomes an error of the ledger."""

    def __init__(self, driver: Driver, tables: LedgerTables) -> None:
        self._driver = driver
        self._tables = tables

    async def reserve(self, hold: Hold, *, key_epoch: int, in_flight_max: int, activity_bucket: int) -> Account:
        return await self._mutate(
            items.reserve(
                self._tables.balances,
                hold,
                key_epoch=key_epoch,
                in_flight_max=in_flight_max,
                activity_bucket=activity_bucket,
            )
        )

    async def apply(self, hold: Hold, cost: int, *, return_to_cap: bool) -> Account:
        return await self._mutate(items.apply(self._tables.balances, hold, cost, return_to_cap=return_to_cap))

    async def set_status(self, account_id: str, status: str) -> Account:
        return await self._mutate(items.set_status(self._tables.balances, account_id, status))

    async def forget_activity(self, account_id: str, activity_bucket: int) -> None:
        await self._mutate(items.forget_activity(self._tables.balances, account_id, activity_bucket))

    async def decide(self, row: UsageRow) -> None:
        try:
            await self._driver.call("PutItem", items.decide(self._tables.usage, row))
        except ConditionFailed as exc:
            raise AlreadyDecided(await self._winner(exc.item, row)) from exc

    async def create_account(self, account_id: str, name: str, created_s: int, limits: AccountLimits) -> Account:
        request = items.create(self._tables.balances, account_id, name, created_s, limits)
        try:
            await self._driver.call("PutItem", request)
        except ConditionFailed as exc:
            raise AccountRefused(_account(exc.item)) from exc
        return items.parse_account(request["Item"])

    async def credit(self, row: CreditRow, *more: Mapping[str, Any]) -> None:
        """Credit together with `more` actions; raises TransactionCancelled when a condition of theirs failed."""
        actions = [
            {"Put": items.put_once(self._tables.credits, row)},
            {"Update": items.credit(self._tables.balances, row.account_id, row.amount)},
            *more,
        ]
        try:
            await self._driver.call("TransactWriteItems", {"TransactItems": actions})
        except TransactionCancelled as exc:
            refusal = await self._credit_refusal(exc, row)
            if refusal is None:
                raise
            raise refusal from exc

    async def account(self, account_id: str) -> Account | None:
        return _account(await self._get(self._tables.balances, items.account_key(account_id)))

    async def credit_row(self, account_id: str, credit_id: str) -> CreditRow | None:
        item = await self._get(self._tables.credits, items.credit_key(account_id, credit_id))
        return items.parse_credit(item) if item else None

    async def usage_row(self, account_id: str, hold_id: str) -> UsageRow | None:
        item = await self._get(self._tables.usage, items.usage_key(account_id, hold_id))
        return items.parse_usage(item) if item else None

    async def usage_rows(self, account_id: str) -> AsyncIterator[UsageRow]:
        async for item in self._rows(self._tables.usage, account_id):
            yield items.parse_usage(item)

    async def credit_rows(self, account_id: str) -> AsyncIterator[CreditRow]:
        async for item in self._rows(self._tables.credits, account_id):
            yield items.parse_credit(item)

    async def active_account_ids(self) -> AsyncIterator[str]:
        for shard in range(items.ACTIVITY_SHARDS):
            async for item in query_items(self._driver, "Query", items.query_active(self._tables.balances, shard)):
                yield a.read_text(item, "account_id")

    async def all_account_ids(self) -> AsyncIterator[str]:
        async for item in query_items(self._driver, "Scan", items.scan_ids(self._tables.balances)):
            yield a.read_text(item, "account_id")

    async def _mutate(self, request: Mapping[str, Any]) -> Account:
        try:
            answer = await self._driver.call("UpdateItem", request)
        except ConditionFailed as exc:
            raise AccountRefused(_account(exc.item)) from exc
        return items.parse_account(answer["Attributes"])

    async def _get(self, table: str, key: Item) -> Item | None:
        answer = await self._driver.call("GetItem", {"TableName": table, "Key": key, "ConsistentRead": True})
        return answer.get("Item")

    def _rows(self, table: str, account_id: str) -> AsyncIterator[Item]:
        """An account's rows, strongly consistent."""
        query = {
            "TableName": table,
            "KeyConditionExpression": "account_id = :account",
            "ExpressionAttributeValues": {":account": a.text(account_id)},
            "ConsistentRead": True,
        }
        return query_items(self._driver, "Query", query)

    async def _winner(self, item: Item | None, row: UsageRow) -> UsageRow:
        """The row that stands. Some emulators leave it out of a failed put; rows never disappear, so it can be read."""
        if item:
            return items.parse_usage(item)
        found = await self.usage_row(row.account_id, row.hold_id)
        if found is None:
            raise OutcomeUnknown("a usage row was there and is gone")
        return found

    async def _credit_refusal(self, exc: TransactionCancelled, row: CreditRow) -> Exception | None:
        """An existing row takes precedence over every other refusal; None for an action that is not the ledger's."""
        (put_code, put_item), (update_code, update_item), *more = exc.reasons
        if put_code == "ConditionalCheckFailed":
            found = items.parse_credit(put_item) if put_item else await self.credit_row(row.account_id, row.credit_id)
            return AlreadyCredited(found) if found else OutcomeUnknown("a credit row was there and is gone")
        if any(code == "ConditionalCheckFailed" for code, _ in more):
            return None
        if update_code == "ConditionalCheckFailed":
            return AccountRefused(_account(update_item))
        return OutcomeUnknown(str(exc))


class SqsFallbackQueue:
    """Implements `FallbackQueue`. It sends once, because the ledger repeats what may be repeated."""

    def __init__(self, url: str, http: AwsHttp) -> None:
        self._url = url
        self._sqs = AwsService(http, "sqs", "AmazonSQS", connect_s=CONNECT_TIMEOUT_S, total_s=SEND_TIMEOUT_S)

    def message(self, row: UsageRow) -> str:
        return encode(row)

    async def send(self, row: UsageRow) -> None:
        try:
            answer = await self._sqs.call("SendMessage", {"QueueUrl": self._url, "MessageBody": encode(row)})
        except AwsRefused as exc:
            raise a.store_error(exc.status, exc.code, {}, "SendMessage") from exc
        except AwsUnreachable as exc:
            raise (OutcomeUnknown if exc.sent else StoreUnavailable)(str(exc)) from exc
        if not answer.get("MessageId"):
            raise OutcomeUnknown("SendMessage: an answer without a message's id")


def encode(row: UsageRow) -> str:
    """A decision as a message of the fallback queue."""
    return json.dumps(items.usage_item(row), separators=(",", ":"))


def decode(body: str) -> UsageRow:
    """Raises ValueError on a message that is not ours."""
    try:
        return items.parse_usage(json.loads(body))
    except (AttributeError, KeyError, TypeError) as exc:
        raise ValueError(f"not a decision: {type(exc).__name__}") from exc


def _account(item: Item | None) -> Account | None:
    return items.parse_account(item) if item else None
