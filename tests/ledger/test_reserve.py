"""Reserve: money is set aside once, or it is said exactly why not."""

from dataclasses import replace

import pytest

from multiconnection.aws.dynamo import RequestRejected
from multiconnection.ledger.models import SUSPENDED
from multiconnection.ledger.reserve import ReserveRefusal, ReserveRefused
from multiconnection.retry import OutcomeUnknown, StoreError, StoreThrottled, StoreUnavailable
from tests.support.ledger_world import ACCOUNT, AMOUNT, CAPPED_KEY, FUNDS, IN_FLIGHT_MAX, LedgerWorld, some_hold


async def refusal(world: LedgerWorld, **changes: object) -> ReserveRefused:
    key_epoch = int(str(changes.pop("key_epoch", 0)))
    with pytest.raises(ReserveRefused) as refused:
        await world.reserve(replace(some_hold(), **changes), key_epoch=key_epoch)  # type: ignore[arg-type]
    return refused.value


async def test_a_reserve_moves_money_from_available_to_held(world: LedgerWorld) -> None:
    # given
    before = await world.image()
    # when
    hold = await world.reserve(some_hold())
    # then
    assert hold == replace(some_hold(), birth=before.version)
    after = await world.image()
    assert (after.available, after.held, after.live_holds) == (FUNDS - AMOUNT, AMOUNT, 1)
    assert after.version == before.version + 1
    assert after.holds == {hold.hold_id: hold}


async def test_it_is_one_write(world: LedgerWorld) -> None:
    world.driver.calls.clear()
    await world.reserve(some_hold())
    assert world.driver.calls == ["UpdateItem"]


async def test_an_earlier_attempt_whose_reply_was_lost_is_recognised_as_success(world: LedgerWorld) -> None:
    # given
    world.driver.lose_reply("UpdateItem")
    # when
    hold = await world.reserve(some_hold())
    # then
    assert world.driver.calls[-2:] == ["UpdateItem", "UpdateItem"]
    assert (await world.image()).holds == {hold.hold_id: hold}
    assert await world.money() == (FUNDS - AMOUNT, AMOUNT, 0)


@pytest.mark.parametrize("changes", [{"amount": AMOUNT - 1}, {"key_id": "otherkey"}])
async def test_a_live_hold_of_this_id_with_other_terms_is_a_conflict(
    world: LedgerWorld, changes: dict[str, object]
) -> None:
    await world.reserve(some_hold())
    assert (await refusal(world, **changes)).refusal is ReserveRefusal.CONFLICT
    assert await world.money() == (FUNDS - AMOUNT, AMOUNT, 0)


async def test_all_that_is_available_can_be_reserved_and_not_one_more(world: LedgerWorld) -> None:
    assert (await refusal(world, amount=FUNDS + 1)).refusal is ReserveRefusal.BALANCE
    await world.reserve(some_hold(amount=FUNDS))
    assert await world.money() == (0, FUNDS, 0)


async def test_an_unknown_account_is_refused_without_an_image(world: LedgerWorld) -> None:
    found = await refusal(world, account_id="nobody")
    assert (found.refusal, found.image) == (ReserveRefusal.NO_ACCOUNT, None)


async def test_a_suspended_account_is_refused(world: LedgerWorld) -> None:
    await world.store.set_status(ACCOUNT, SUSPENDED)
    found = await refusal(world)
    assert found.refusal is ReserveRefusal.STATUS
    assert found.image == await world.image()


@pytest.mark.parametrize("key_epoch", [0, 2])
async def test_any_other_key_epoch_is_refused(world: LedgerWorld, key_epoch: int) -> None:
    world.tamper(ke=1)
    found = await refusal(world, key_epoch=key_epoch)
    assert found.refusal is ReserveRefusal.KEY_EPOCH
    assert found.image is not None
    assert found.image.key_epoch == 1


async def test_the_call_above_the_in_flight_cap_is_refused(world: LedgerWorld) -> None:
    for number in range(IN_FLIGHT_MAX):
        await world.reserve(some_hold(f"hold-{number}", amount=1))
    assert (await refusal(world, hold_id="one-more", amount=1)).refusal is ReserveRefusal.IN_FLIGHT


@pytest.mark.parametrize("cap", [None, AMOUNT - 1])
async def test_a_capped_key_without_enough_budget_is_refused(cap: int | None) -> None:
    world = LedgerWorld()
    await world.open(cap=cap)
    found = await refusal(world, capped=True, key_id=CAPPED_KEY)
    assert found.refusal is ReserveRefusal.KEY_BUDGET
    assert await world.money() == (FUNDS, 0, 0)


async def test_a_capped_key_pays_from_its_budget_too() -> None:
    world = LedgerWorld()
    await world.open(cap=AMOUNT)
    await world.reserve(some_hold(capped=True))
    assert (await world.image()).key_caps == {CAPPED_KEY: 0}


@pytest.mark.parametrize("error", [StoreThrottled("x"), StoreUnavailable("x"), OutcomeUnknown("x")])
async def test_three_failures_are_survived_and_four_are_not(world: LedgerWorld, error: StoreError) -> None:
    world.driver.fail("UpdateItem", error, times=3)
    await world.reserve(some_hold())
    world.driver.fail("UpdateItem", error, times=4)
    with pytest.raises(type(error)):
        await world.reserve(some_hold("hold-2"))
    assert await world.money() == (FUNDS - AMOUNT, AMOUNT, 0)


async def test_a_request_that_the_database_rejects_is_not_repeated(world: LedgerWorld) -> None:
    world.driver.calls.clear()
    world.driver.fail("UpdateItem", RequestRejected("ValidationException"))
    with pytest.raises(RequestRejected):
        await world.reserve(some_hold())
    assert world.driver.calls == ["UpdateItem"]
