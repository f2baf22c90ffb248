"""Faults that a simulation found and that stay mended: one sick account, a queue during an outage, a late credit."""

import asyncio
from dataclasses import replace

import pytest

from multiconnection.ledger.dynamo import decode, encode
from multiconnection.ledger.jobs import Maintenance
from multiconnection.ledger.models import AccountLimits
from multiconnection.retry import OutcomeUnknown, StoreThrottled
from tests.simulation.faults import Fault, FaultsAt, Kind
from tests.simulation.scenarios import simulate
from tests.simulation.world import World
from tests.support.ledger_world import ACCOUNT, BALANCES, COST, FUNDS, LedgerWorld, credit_row, row_of, some_hold


async def four_accounts_with_a_dead_call_each() -> LedgerWorld:
    world = LedgerWorld()
    for number in range(4):
        account_id = f"account-{number}"
        await world.ledger.create_account(account_id, "", AccountLimits())
        await world.ledger.credit(replace(credit_row("opening", FUNDS, "grant"), account_id=account_id))
        await world.reserve(replace(some_hold(), account_id=account_id))
    world.clock.at_s += 1000
    return world


def holding(world: LedgerWorld) -> list[str]:
    return [item["account_id"]["S"] for item in world.driver.tables.items(BALANCES) if item["nh"]["N"] != "0"]


async def test_an_account_that_cannot_be_read_for_now_keeps_no_other_account_waiting() -> None:
    world = await four_accounts_with_a_dead_call_each()
    world.driver.fail("GetItem", StoreThrottled("x"))
    report = await Maintenance(world.ledger, world.clock, world.alarms).sweep_active()
    assert (report.accounts, report.ended, report.failed) == (4, 3, 1)
    assert world.alarms.names == ["sweep_failed"]


@pytest.mark.parametrize("number", range(4))
async def test_an_account_with_a_hold_of_an_unknown_format_keeps_no_other_account_waiting(number: int) -> None:
    world = await four_accounts_with_a_dead_call_each()
    request = {
        "TableName": BALANCES,
        "Key": {"account_id": {"S": f"account-{number}"}},
        "UpdateExpression": "SET #h = :h",
        "ExpressionAttributeNames": {"#h": "h_hold-1"},
        "ExpressionAttributeValues": {":h": {"S": "9" * 30}},
    }
    world.driver.tables.execute("UpdateItem", request)
    maintenance = Maintenance(world.ledger, world.clock, world.alarms)
    await maintenance.sweep_active()
    assert holding(world) == [f"account-{number}"]
    reports = {report.account_id: report for report in await maintenance.reconcile_all()}
    assert len(reports) == 4
    assert [account_id for account_id, report in reports.items() if report.drift] == [f"account-{number}"]
    assert "account_unreadable" in world.alarms.names


async def test_a_message_whose_account_cannot_be_read_keeps_no_other_message_waiting(world: LedgerWorld) -> None:
    first, second = await world.reserve(some_hold("hold-1")), await world.reserve(some_hold("hold-2"))
    world.driver.fail("GetItem", StoreThrottled("x"))
    maintenance = Maintenance(world.ledger, world.clock, world.alarms)
    assert not await maintenance.replay("m1", encode(row_of(first)), decode)
    assert await maintenance.replay("m2", encode(row_of(second)), decode)
    assert (await world.image()).charged == COST


def test_a_refusal_after_an_unknown_outcome_does_not_say_that_nothing_moved() -> None:
    async def history() -> int:
        world = World(1)
        world.open_account(ACCOUNT, 10)
        adjustment = credit_row("adjustment", -60, "adjustment")
        with pytest.raises(OutcomeUnknown):
            await world.ledger(world.process(FaultsAt({0: Fault(Kind.DELAYED, 30.0)}))).credit(adjustment)
        await world.admin().credit(credit_row("top-up", 100))
        await asyncio.sleep(60)
        await world.admin().credit(adjustment)
        return world.auditor.images[ACCOUNT].number("avail")

    assert simulate(history()) == 50


@pytest.fixture
async def world() -> LedgerWorld:
    made = LedgerWorld()
    await made.open()
    return made
