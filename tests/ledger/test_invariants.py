"""A breach in production: alarm, stop serving the account, let nobody repair it silently."""

import pytest

from multiconnection.ledger.jobs import Maintenance
from multiconnection.ledger.models import ACTIVE, FROZEN, SUSPENDED, breaches
from multiconnection.ledger.reserve import ReserveRefusal, ReserveRefused
from multiconnection.retry import StoreThrottled
from tests.support.ledger_world import ACCOUNT, FUNDS, LedgerWorld, row_of, some_hold


async def test_a_sound_account_breaches_nothing(world: LedgerWorld) -> None:
    await world.reserve(some_hold())
    assert breaches(await world.image()) == []


@pytest.mark.parametrize(
    ("numbers", "broken"),
    [
        ({"credits_in": 1}, "I1"),
        ({"avail": 1}, "I1"),
        ({"charged": 1}, "I1"),
        ({"held": 1, "avail": FUNDS - 1}, "I2"),
        ({"nh": 1}, "I2"),
        ({"avail": -1, "credits_in": -1}, "I3"),
        ({"k_keyUNcap": -1}, "I3"),
    ],
)
async def test_each_breach_is_named(world: LedgerWorld, numbers: dict[str, int], broken: str) -> None:
    world.tamper(**numbers)
    assert [breach[:2] for breach in breaches(await world.image())] == [broken]


async def test_a_breach_seen_by_a_reserve_refuses_it_freezes_the_account_and_alarms(world: LedgerWorld) -> None:
    # given
    world.tamper(credits_in=FUNDS + 1)
    # when
    with pytest.raises(ReserveRefused) as refused:
        await world.reserve(some_hold())
    # then
    assert refused.value.refusal is ReserveRefusal.STATUS
    assert (await world.image()).status == FROZEN
    ((name, context),) = world.alarms.raised
    assert name == "invariant_breached"
    assert context["account_id"] == ACCOUNT
    # and the next one is refused by the account's status alone
    with pytest.raises(ReserveRefused):
        await world.reserve(some_hold("hold-2"))
    assert len(world.alarms.raised) == 1


async def test_a_breach_seen_by_a_settlement_freezes_the_account_and_the_call_is_settled(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    world.tamper(charged=1)
    settlement = await world.ledger.settle(hold, row_of(hold))
    assert settlement.applied
    assert (await world.image()).status == FROZEN
    assert world.alarms.names == ["invariant_breached"]


async def test_a_breach_seen_by_a_sweeper_freezes_the_account(world: LedgerWorld) -> None:
    world.tamper(held=1)
    await world.ledger.sweep(ACCOUNT)
    assert (await world.image()).status == FROZEN
    assert world.alarms.names == ["invariant_breached"]


async def test_a_frozen_account_that_is_active_again_is_frozen_again(world: LedgerWorld) -> None:
    world.tamper(held=1)
    for _ in range(2):
        await world.store.set_status(ACCOUNT, ACTIVE)
        await world.ledger.sweep(ACCOUNT)
        assert (await world.image()).status == FROZEN


async def test_a_suspended_account_stays_suspended(world: LedgerWorld) -> None:
    await world.store.set_status(ACCOUNT, SUSPENDED)
    world.tamper(held=1)
    await world.ledger.sweep(ACCOUNT)
    assert (await world.image()).status == SUSPENDED
    assert world.alarms.names == ["invariant_breached"]


async def test_a_freeze_that_fails_is_alarmed_and_the_reserve_is_refused_nevertheless(world: LedgerWorld) -> None:
    # given
    world.tamper(credits_in=FUNDS + 1)
    hold = await world.store.reserve(some_hold(), key_epoch=0, in_flight_max=10, activity_bucket=1)
    world.driver.fail("UpdateItem", StoreThrottled("x"))
    # when
    await world.ledger.sweep(ACCOUNT)
    # then
    assert hold.live_holds == 1
    assert world.alarms.names == ["invariant_breached", "freeze_failed"]


async def test_drift_is_alarmed_and_never_repaired(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    await world.ledger.settle(hold, row_of(hold))
    world.tamper(charged=31, avail=69)
    before = await world.image()
    (report,) = await Maintenance(world.ledger, world.clock, world.alarms).reconcile_all()
    assert report.drift == 1
    assert world.alarms.names == ["drift"]
    assert await world.image() == before
