"""Settling against a database or a queue that refuses in any way, or never answers: no decision is lost in silence."""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from dataclasses import fields
from typing import Any, TypeVar

import pytest

from multiconnection.aws.dynamo import RequestRejected, TransactionCancelled, store_error
from multiconnection.ledger.dynamo import decode
from multiconnection.ledger.ledger import SETTLE_S
from multiconnection.ledger.models import UsageRow
from multiconnection.ledger.reserve import ReserveRefused
from multiconnection.retry import OutcomeUnknown, StoreError, StoreThrottled, StoreUnavailable
from tests.support.ledger_world import ACCOUNT, AMOUNT, COST, FUNDS, Failing, LedgerWorld, Queue, row_of, some_hold
from tests.support.virtual_time import VirtualLoop

T = TypeVar("T")
# HTTP status and code, as DynamoDB, KMS, IAM and the front of the service send them.
REFUSALS = [
    (400, "AccessDeniedException"),
    (400, "AccessDenied"),
    (403, "OptInRequired"),
    (400, "ResourceNotFoundException"),
    (400, "ResourceInUseException"),
    (400, "TableNotFoundException"),
    (400, "ValidationException"),
    (400, "SerializationException"),
    (400, "ItemCollectionSizeLimitExceededException"),
    (400, "ReplicatedWriteConflictException"),
    (400, "IdempotentParameterMismatchException"),
    (400, "PolicyNotFoundException"),
    (400, "KMSAccessDeniedException"),
    (400, "KMSDisabledException"),
    (400, "KMSInvalidStateException"),
    (400, "KMSNotFoundException"),
    (400, "KMSThrottlingException"),
    (400, "InaccessibleEncryptionCredentialsException"),
    (400, "UnknownOperationException"),
    (400, "SomethingNewException"),
    (400, ""),
    (413, "RequestEntityTooLarge"),
    (400, "ThrottlingException"),
    (429, "TooManyRequestsException"),
    (400, "ProvisionedThroughputExceededException"),
    (400, "RequestLimitExceeded"),
    (400, "ExpiredTokenException"),
    (400, "UnrecognizedClientException"),
    (408, "RequestTimeout"),
    (500, "InternalServerError"),
    (503, "ServiceUnavailable"),
    (503, ""),
]
CLASSES = [
    StoreError("x"),
    StoreThrottled("x"),
    StoreUnavailable("x"),
    OutcomeUnknown("x"),
    RequestRejected("x"),
    TransactionCancelled([]),
]
ERRORS = [
    *(pytest.param(store_error(status, code, {}, "PutItem"), id=f"{status} {code}") for status, code in REFUSALS),
    *(pytest.param(error, id=type(error).__name__) for error in CLASSES),
]
ALWAYS = 100


class Silent(Failing):
    """A database that is there and never answers the operations in `silent`, after the first `answered`."""

    silent: frozenset[str] = frozenset()
    answered = 0

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        if operation in self.silent and self.calls.count(operation) >= self.answered:
            self.calls.append(operation)
            await asyncio.get_running_loop().create_future()
        return await super().call(operation, payload)


class SilentQueue(Queue):
    async def send(self, row: UsageRow) -> None:
        await asyncio.get_running_loop().create_future()


def timed(work: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """What came of it, and after how many virtual seconds."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work), runner.get_loop().time()


@pytest.mark.parametrize("error", ERRORS)
async def test_whatever_the_usage_table_refuses_goes_to_the_queue(world: LedgerWorld, error: StoreError) -> None:
    hold = await world.reserve(some_hold())
    world.driver.fail("PutItem", error, times=ALWAYS)
    # when
    settlement = await world.ledger.settle(hold, row_of(hold))
    # then the decision waits in the queue, and is charged once the table takes it
    assert (settlement.decided, settlement.applied) == (False, False)
    assert world.queue.sent == [row_of(hold)]
    assert world.alarms.names == ["decision_queued"]
    assert not await world.ledger.replay(row_of(hold))
    world.driver.recover()
    assert await world.ledger.replay(row_of(hold))
    assert await world.money() == (FUNDS - COST, 0, COST)


@pytest.mark.parametrize("error", ERRORS)
async def test_whatever_the_balance_refuses_leaves_the_charge_to_the_sweeper(
    world: LedgerWorld, error: StoreError
) -> None:
    hold = await world.reserve(some_hold())
    world.driver.fail("UpdateItem", error, times=ALWAYS)
    settlement = await world.ledger.settle(hold, row_of(hold))
    assert (settlement.decided, settlement.applied) == (True, False)
    assert world.alarms.names == ["apply_deferred"]
    # when the sweeper meets the same error, and then does not
    world.clock.at_s += 1000
    assert (await world.ledger.sweep(ACCOUNT)).failed == 1
    world.driver.recover()
    assert (await world.ledger.sweep(ACCOUNT)).ended == 1
    assert await world.money() == (FUNDS - COST, 0, COST)


@pytest.mark.parametrize("error", ERRORS)
async def test_a_decision_that_queue_and_table_refuse_is_in_the_alarm_and_can_be_sent_by_hand(
    world: LedgerWorld, error: StoreError
) -> None:
    hold = await world.reserve(some_hold())
    world.driver.fail("PutItem", error, times=ALWAYS)
    world.queue.error = error
    # when: the finished answer goes out all the same
    settlement = await world.ledger.settle(hold, row_of(hold, AMOUNT + 7))
    # then
    assert (settlement.decided, settlement.applied, settlement.row.cost) == (False, False, AMOUNT)
    ((name, context),) = world.alarms.raised
    assert name == "decision_lost"
    assert context["error"] == str(error)
    # and what the line holds is the message
    world.driver.recover()
    row = decode(str(context["decision"]))
    assert (row.cost, row.overrun) == (AMOUNT, 7)
    assert await world.ledger.replay(row)
    assert await world.money() == (FUNDS - AMOUNT, 0, AMOUNT)


@pytest.mark.parametrize("error", ERRORS)
async def test_whatever_a_reserve_is_refused_with_sets_nothing_aside(world: LedgerWorld, error: StoreError) -> None:
    world.driver.fail("UpdateItem", error, times=ALWAYS)
    with pytest.raises(type(error)) as refused:
        await world.reserve(some_hold())
    assert not isinstance(refused.value, ReserveRefused)
    assert await world.money() == (FUNDS, 0, 0)


@pytest.mark.parametrize(
    ("status", "code", "attempts"),
    [
        (400, "AccessDeniedException", 1),
        (400, "ValidationException", 1),
        (400, "KMSDisabledException", 1),
        (400, "ResourceNotFoundException", 1),
        (400, "ReplicatedWriteConflictException", 4),
        (400, "ThrottlingException", 4),
        (400, "KMSThrottlingException", 4),
        (429, "TooManyRequestsException", 4),
        (408, "RequestTimeout", 4),
        (500, "InternalServerError", 4),
    ],
)
async def test_only_what_may_pass_by_itself_is_tried_again(
    world: LedgerWorld, status: int, code: str, attempts: int
) -> None:
    hold = await world.reserve(some_hold())
    world.driver.calls.clear()
    world.driver.fail("PutItem", store_error(status, code, {}, "PutItem"), times=ALWAYS)
    await world.ledger.settle(hold, row_of(hold))
    assert world.driver.calls == ["PutItem"] * attempts


@pytest.mark.parametrize(
    ("silent", "queue_silent", "decided", "queued"),
    [
        (("PutItem",), False, False, True),
        (("PutItem",), True, False, False),
        (("UpdateItem",), False, True, False),
        (("PutItem", "UpdateItem"), True, False, False),
    ],
    ids=["usage", "usage and queue", "balance", "everything"],
)
def test_a_settlement_ends_in_time_whatever_never_answers(
    silent: tuple[str, ...], queue_silent: bool, decided: bool, queued: bool
) -> None:
    async def settled() -> tuple[LedgerWorld, bool]:
        driver = Silent()
        world = LedgerWorld(driver=driver, queue=SilentQueue() if queue_silent else Queue())
        await world.open()
        hold = await world.reserve(some_hold())
        driver.silent = frozenset(silent)
        settlement = await world.ledger.settle(hold, row_of(hold))
        return world, settlement.decided

    (world, was_decided), seconds = timed(settled())
    assert seconds <= SETTLE_S
    assert was_decided is decided
    assert bool(world.queue.sent) is queued
    lost = {"decision_lost"} if not decided and not queued else set()
    assert set(world.alarms.names) & {"decision_lost"} == lost


def test_the_favour_to_the_sweeper_ends_with_the_settlements_time() -> None:
    async def settled() -> list[str]:
        # given a dead call beside the one that settles, and a table that answers only the latter's decision
        driver = Silent()
        world = LedgerWorld(driver=driver)
        await world.open()
        await world.reserve(some_hold("dead", amount=1, lasts_s=1))
        hold = await world.reserve(some_hold())
        world.clock.at_s += 200
        driver.calls.clear()
        driver.silent, driver.answered = frozenset(("PutItem",)), 1
        # when
        settlement = await world.ledger.settle(hold, row_of(hold))
        assert (settlement.decided, settlement.applied) == (True, True)
        return driver.calls

    calls, seconds = timed(settled())
    assert calls == ["PutItem", "UpdateItem", "PutItem"]
    assert seconds <= SETTLE_S


def test_the_message_holds_nothing_but_ids_and_numbers() -> None:
    world = LedgerWorld()
    message = json.loads(world.queue.message(row_of(some_hold())))
    columns = {field.name for field in fields(UsageRow)}
    assert set(message) <= columns - {"hold_id"} | {"request_id"}
