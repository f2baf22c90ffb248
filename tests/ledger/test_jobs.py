"""The workers' runs over all accounts: what one account or message does never keeps the others waiting."""

from multiconnection.ledger.dynamo import decode, encode
from multiconnection.ledger.jobs import Maintenance
from multiconnection.ledger.models import AccountLimits
from multiconnection.retry import StoreThrottled
from tests.support.ledger_world import ACCOUNT, COST, FUNDS, START_S, LedgerWorld, row_of, some_hold


def maintenance(world: LedgerWorld) -> Maintenance:
    return Maintenance(world.ledger, world.clock, world.alarms)


async def test_a_run_of_the_sweeper_reports_what_it_did(world: LedgerWorld) -> None:
    await world.reserve(some_hold("dead", amount=1, lasts_s=0))
    await world.reserve(some_hold("live", amount=1, lasts_s=500))
    world.clock.at_s += 100
    report = await maintenance(world).sweep_active()
    assert (report.accounts, report.ended, report.failed, report.waiting) == (1, 1, 0, 1)
    assert (report.next_expiry_s, report.complete) == (START_S + 500, True)


async def test_a_run_stops_when_its_time_is_up_and_says_so(world: LedgerWorld) -> None:
    await world.reserve(some_hold())
    report = await maintenance(world).sweep_active(until_s=world.clock.at_s)
    assert (report.accounts, report.complete) == (0, False)


async def test_idle_accounts_are_no_work_for_the_sweeper_and_are_for_the_daily_net(world: LedgerWorld) -> None:
    await world.ledger.create_account("idle", "", AccountLimits())
    assert (await maintenance(world).sweep_active()).accounts == 0
    assert (await maintenance(world).sweep_all()).accounts == 2


async def test_messages_are_replayed_and_the_failed_and_unreadable_ones_come_again(world: LedgerWorld) -> None:
    # given two queued decisions and one message that is not ours
    first = await world.reserve(some_hold("hold-1"))
    second = await world.reserve(some_hold("hold-2"))
    messages = [("m1", encode(row_of(first))), ("m2", encode(row_of(second))), ("m3", "{}")]
    world.driver.fail("PutItem", StoreThrottled("x"), times=4)
    # when
    settled = [await maintenance(world).replay(message_id, body, decode) for message_id, body in messages]
    # then
    assert settled == [False, True, False]
    assert world.alarms.names == ["fallback_message_unreadable"]
    assert all([await maintenance(world).replay(message_id, body, decode) for message_id, body in messages[:2]])
    assert await world.money() == (FUNDS - 2 * COST, 0, 2 * COST)


async def test_a_message_is_the_whole_row() -> None:
    row = row_of(some_hold())
    assert decode(encode(row)) == row


async def test_every_account_is_reconciled(world: LedgerWorld) -> None:
    await world.ledger.create_account("another", "", AccountLimits())
    reports = await maintenance(world).reconcile_all()
    assert sorted(report.account_id for report in reports) == [ACCOUNT, "another"]
    assert world.alarms.raised == []
