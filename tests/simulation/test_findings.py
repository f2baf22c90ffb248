"""Faults that a simulation found and that stay mended: one sick account, a queue during an outage, a late credit."""

import asyncio
from dataclasses import replace

import pytest

from multiconnection.ledger.dynamo import decode, encode
from multiconnection.ledger.jobs import Maintenance
from multiconnection.ledger.models import AccountLimits
from multiconnection.retry import OutcomeUnknown, StoreThrottled
from tests.ledger.books import ACCOUNT, BALANCES, COST, FUNDS, Books, credit_row, row_of, some_hold
from tests.simulation.faults import Fault, FaultsAt, Kind
from tests.simulation.scenarios import simulate
from tests.simulation.world import World


async def four_accounts_with_a_dead_call_each() -> Books:
    books = Books()
    for number in range(4):
        account_id = f"account-{number}"
        await books.ledger.create_account(account_id, "", AccountLimits())
        await books.ledger.credit(replace(credit_row("opening", FUNDS, "grant"), account_id=account_id))
        await books.reserve(replace(some_hold(), account_id=account_id))
    books.clock.at_s += 1000
    return books


def holding(books: Books) -> list[str]:
    return [item["account_id"]["S"] for item in books.driver.tables.items(BALANCES) if item["nh"]["N"] != "0"]


async def test_an_account_that_cannot_be_read_for_now_keeps_no_other_account_waiting() -> None:
    books = await four_accounts_with_a_dead_call_each()
    books.driver.fail("GetItem", StoreThrottled("x"))
    report = await Maintenance(books.ledger, books.clock, books.alarms).sweep_active()
    assert (report.accounts, report.ended, report.failed) == (4, 3, 1)
    assert books.alarms.names == ["sweep_failed"]


@pytest.mark.parametrize("number", range(4))
async def test_an_account_with_a_hold_of_an_unknown_format_keeps_no_other_account_waiting(number: int) -> None:
    books = await four_accounts_with_a_dead_call_each()
    request = {
        "TableName": BALANCES,
        "Key": {"account_id": {"S": f"account-{number}"}},
        "UpdateExpression": "SET #h = :h",
        "ExpressionAttributeNames": {"#h": "h_hold-1"},
        "ExpressionAttributeValues": {":h": {"S": "9" * 30}},
    }
    books.driver.tables.execute("UpdateItem", request)
    maintenance = Maintenance(books.ledger, books.clock, books.alarms)
    await maintenance.sweep_active()
    assert holding(books) == [f"account-{number}"]
    reports = {report.account_id: report for report in await maintenance.reconcile_all()}
    assert len(reports) == 4
    assert [account_id for account_id, report in reports.items() if report.drift] == [f"account-{number}"]
    assert "account_unreadable" in books.alarms.names


async def test_a_message_whose_account_cannot_be_read_keeps_no_other_message_waiting(books: Books) -> None:
    first, second = await books.reserve(some_hold("hold-1")), await books.reserve(some_hold("hold-2"))
    books.driver.fail("GetItem", StoreThrottled("x"))
    messages = [("m1", encode(row_of(first))), ("m2", encode(row_of(second)))]
    assert await Maintenance(books.ledger, books.clock, books.alarms).replay(messages, decode) == ["m1"]
    assert (await books.image()).charged == COST


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
async def books() -> Books:
    made = Books()
    await made.open()
    return made
