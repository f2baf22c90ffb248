"""A ledger over the in-memory table, with failures on demand."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from multiconnection.aws.dynamo import Item
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables, encode
from multiconnection.ledger.ledger import Ledger, Margins
from multiconnection.ledger.models import Account, AccountLimits, CreditRow, Hold, UsageRow
from multiconnection.retry import OutcomeUnknown, StoreError
from multiconnection.usage import Ended, Usage, UsageSource
from tools.memory_dynamo.driver import MemoryDynamo, TableKeys

START_S = 1_800_000_000
ACCOUNT, FUNDS, AMOUNT, COST = "account", 100, 40, 30
IN_FLIGHT_MAX = 3
KEY = "keyUNcap"
CAPPED_KEY = "keyCAPED"
BALANCES, USAGE, CREDITS = "Balances", "Usage", "Credits"
TABLES = {
    BALANCES: TableKeys("account_id", indexes={"by_activity": ("activity_shard", "activity_bucket")}),
    USAGE: TableKeys("account_id", "request_id"),
    CREDITS: TableKeys("account_id", "credit_id"),
}


@dataclass
class Failing:
    """Implements `Driver` over the in-memory table; each planned failure is used once, in order, by operation."""

    tables: MemoryDynamo = field(default_factory=lambda: MemoryDynamo(TABLES))
    calls: list[str] = field(default_factory=list)
    _planned: dict[str, list[tuple[StoreError, bool]]] = field(default_factory=dict)

    def fail(self, operation: str, error: StoreError, times: int = 1) -> None:
        """The operation is not executed."""
        self._planned.setdefault(operation, []).extend([(error, False)] * times)

    def recover(self) -> None:
        """Nothing fails any more."""
        self._planned.clear()

    def lose_reply(self, operation: str, times: int = 1) -> None:
        """The operation is executed and its answer, or its refusal, is lost."""
        self._planned.setdefault(operation, []).extend([(OutcomeUnknown("lost"), True)] * times)

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append(operation)
        await asyncio.sleep(0)
        planned = self._planned.get(operation)
        if not planned:
            return self.tables.execute(operation, payload)
        error, executed = planned.pop(0)
        if executed:
            self.tables.execute(operation, payload)
        raise error


@dataclass
class HandClock:
    at_s: float = START_S

    def now(self) -> float:
        return self.at_s


class NoPause:
    """Implements `Rng`: retries follow at once."""

    def below(self, bound: int) -> int:
        return 0


@dataclass
class Alarms:
    raised: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def alarm(self, name: str, **context: object) -> None:
        self.raised.append((name, context))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.raised]


@dataclass
class Queue:
    sent: list[UsageRow] = field(default_factory=list)
    error: StoreError | None = None

    def message(self, row: UsageRow) -> str:
        return encode(row)

    async def send(self, row: UsageRow) -> None:
        if self.error:
            raise self.error
        self.sent.append(row)


async def model_name(code: str) -> str:
    return f"model-{code}"


@dataclass
class LedgerWorld:
    """A ledger and everything around it that a test looks at or breaks."""

    driver: Failing = field(default_factory=Failing)
    clock: HandClock = field(default_factory=HandClock)
    alarms: Alarms = field(default_factory=Alarms)
    queue: Queue = field(default_factory=Queue)

    def __post_init__(self) -> None:
        self.store = DynamoStore(self.driver, LedgerTables(BALANCES, USAGE, CREDITS))
        self.ledger = Ledger(
            self.store, self.queue, self.alarms, self.clock, NoPause(), model_name, Margins(hold_s=120, sweep_s=60)
        )

    async def open(self, funds: int = FUNDS, cap: int | None = None) -> None:
        await self.ledger.create_account(ACCOUNT, "name", AccountLimits())
        if funds:
            await self.ledger.credit(credit_row("opening", funds, "grant"))
        if cap is not None:
            self.tamper(**{f"k_{CAPPED_KEY}": cap})

    async def reserve(self, hold: Hold, *, key_epoch: int = 0) -> Hold:
        """The hold as written, with its birth."""
        reserved = await self.ledger.reserve(hold, key_epoch=key_epoch, in_flight_max=IN_FLIGHT_MAX)
        return reserved.hold

    async def image(self) -> Account:
        image = await self.store.account(ACCOUNT)
        assert image is not None
        return image

    async def money(self) -> tuple[int, int, int]:
        """Available, held, charged."""
        image = await self.image()
        return image.available, image.held, image.charged

    def tamper(self, **numbers: int) -> None:
        """Write numbers of the account past the ledger."""
        self.tamper_row(BALANCES, {"account_id": {"S": ACCOUNT}}, **numbers)

    def tamper_row(self, table: str, key: Item, /, **numbers: int) -> None:
        request = {
            "TableName": table,
            "Key": key,
            "UpdateExpression": "SET " + ", ".join(f"#{n} = :{n}" for n in range(len(numbers))),
            "ExpressionAttributeNames": {f"#{n}": name for n, name in enumerate(numbers)},
            "ExpressionAttributeValues": {f":{n}": {"N": str(number)} for n, number in enumerate(numbers.values())},
        }
        self.driver.tables.execute("UpdateItem", request)

    def delete(self, table: str, key: Item) -> None:
        self.driver.tables.execute("DeleteItem", {"TableName": table, "Key": key})


def some_hold(hold_id: str = "hold-1", amount: int = AMOUNT, *, capped: bool = False, lasts_s: int = 180) -> Hold:
    return Hold(
        account_id=ACCOUNT,
        hold_id=hold_id,
        amount=amount,
        expires_s=START_S + lasts_s,
        key_id=CAPPED_KEY if capped else KEY,
        capped=capped,
        model_code="g4o",
        price_version=1,
    )


def row_of(hold: Hold, cost: int = COST) -> UsageRow:
    return UsageRow(
        account_id=hold.account_id,
        hold_id=hold.hold_id,
        birth=hold.birth,
        hold=hold.amount,
        cost=cost,
        overrun=0,
        key_id=hold.key_id,
        model="gpt-4o",
        price_version=hold.price_version,
        usage=Usage(output=cost),
        usage_source=UsageSource.UPSTREAM,
        ended=Ended.COMPLETE,
        decided_by="gateway",
        created_ms=START_S * 1000,
    )


def credit_row(credit_id: str, amount: int, kind: str = "order") -> CreditRow:
    return CreditRow(ACCOUNT, credit_id, amount, kind, "test", "admin", START_S * 1000)


def usage_key(hold_id: str) -> Item:
    return {"account_id": {"S": ACCOUNT}, "request_id": {"S": hold_id}}


def credit_key(credit_id: str) -> Item:
    return {"account_id": {"S": ACCOUNT}, "credit_id": {"S": credit_id}}
