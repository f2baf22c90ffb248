"""Reserving: one write in the usual case, and every refusal ends in the error that says what to do."""

import asyncio
from dataclasses import replace

import pytest

from multiconnection.calls.reservation import Reservation
from multiconnection.errors import AccountSuspended, ApiKeyInvalid, InsufficientBalance, LedgerUnavailable, RateLimited
from multiconnection.keys.models import Caller
from multiconnection.ledger.models import SUSPENDED, AccountLimits
from multiconnection.money import nano_to_usd
from multiconnection.retry import OutcomeUnknown, StoreThrottled
from tests.support.chat_bodies import parsed
from tests.support.chat_world import ChatWorld, a_model

pytestmark = pytest.mark.virtual_time


MODEL = a_model()
FIXED = parsed().bind(MODEL, 0).bound.with_output(0).hold_nano
TOKEN = 2000


async def reserve(
    world: ChatWorld, caller: Caller, limit: int | None = None, hold_id: str | None = None
) -> Reservation:
    context = world.context()
    if hold_id is not None:
        context = replace(context, hold_id=hold_id)
    return await world.reserver.reserve(caller, parsed(max_tokens=limit).bind(MODEL, 0), context)


def usd_for(tokens: int) -> str:
    return nano_to_usd(FIXED + tokens * TOKEN)


async def test_the_usual_case_is_one_write() -> None:
    world = ChatWorld()
    caller = await world.caller()
    world.driver.calls.clear()
    reservation = await reserve(world, caller, limit=10)
    assert world.driver.calls == ["UpdateItem"]
    assert reservation.bound.output_tokens == 10
    hold = reservation.hold
    assert (hold.amount, hold.key_id, hold.capped) == (FIXED + 10 * TOKEN, caller.api_key.key_id, False)
    assert (hold.model_code, hold.price_version) == ("m01", 7)
    image = await world.account()
    assert image.holds == {hold.hold_id: hold}
    assert (image.available, image.held) == (10**9 - hold.amount, hold.amount)
    assert hold.birth == image.version - 1


async def test_an_open_ended_answer_takes_what_the_balance_affords() -> None:
    world = ChatWorld()
    caller = await world.caller(usd_for(100))
    assert (await reserve(world, caller)).bound.output_tokens == 100
    assert (await world.account()).available == 0


async def test_an_open_ended_answer_of_under_64_tokens_is_refused_with_what_is_affordable() -> None:
    world = ChatWorld()
    caller = await world.caller(usd_for(63))
    with pytest.raises(InsufficientBalance) as caught:
        await reserve(world, caller)
    assert caught.value.details == {
        "reason": "account_balance",
        "available": usd_for(63),
        "required": usd_for(64),
        "affordable_max_tokens": 63,
    }
    assert (await reserve(world, caller, limit=63)).bound.output_tokens == 63


async def test_a_402_says_what_is_affordable_and_that_then_succeeds() -> None:
    world = ChatWorld()
    caller = await world.caller(usd_for(150))
    with pytest.raises(InsufficientBalance) as caught:
        await reserve(world, caller, limit=151)
    affordable = caught.value.details["affordable_max_tokens"]
    assert affordable == 150
    assert isinstance(affordable, int)
    assert (await reserve(world, caller, limit=affordable)).bound.output_tokens == 150


async def test_an_empty_account_affords_nothing() -> None:
    world = ChatWorld()
    caller = await world.caller("0")
    for limit in (None, 1, 1000):
        with pytest.raises(InsufficientBalance) as caught:
            await reserve(world, caller, limit=limit)
        assert caught.value.details["affordable_max_tokens"] == 0
    assert (await world.account()).holds == {}


async def test_short_only_because_of_calls_in_flight_is_429_until_one_ends() -> None:
    world = ChatWorld()
    caller = await world.caller(usd_for(900))
    first = await reserve(world, caller, limit=870)
    for limit in (None, 870):
        with pytest.raises(RateLimited) as caught:
            await reserve(world, caller, limit=limit)
        assert caught.value.details == {"reason": "in_flight"}
        assert caught.value.headers()["retry-after"] == "1"
    with pytest.raises(InsufficientBalance):
        await reserve(world, caller, limit=950)
    await world.ledger.store.apply(first.hold, 0, return_to_cap=False)
    assert (await reserve(world, caller, limit=870)).bound.output_tokens == 870


async def test_a_keys_budget_is_never_passed_and_says_so() -> None:
    world = ChatWorld()
    caller = await world.caller("1.00", budget_nano=FIXED + 100 * TOKEN)
    with pytest.raises(InsufficientBalance) as caught:
        await reserve(world, caller, limit=101)
    assert caught.value.details == {
        "reason": "key_budget",
        "available": usd_for(100),
        "required": usd_for(101),
        "affordable_max_tokens": 100,
    }
    reservation = await reserve(world, caller)
    assert reservation.bound.output_tokens == 100
    assert reservation.hold.capped
    image = await world.account()
    assert image.key_caps == {caller.api_key.key_id: 0}
    assert image.available == 10**9 - reservation.hold.amount


async def test_a_budget_in_flight_is_a_matter_of_time_too() -> None:
    world = ChatWorld()
    caller = await world.caller("1.00", budget_nano=FIXED + 100 * TOKEN)
    await reserve(world, caller, limit=100)
    with pytest.raises(RateLimited) as caught:
        await reserve(world, caller, limit=100)
    assert caught.value.details == {"reason": "in_flight"}


async def test_a_change_of_some_key_costs_one_refused_write_and_the_call_is_served() -> None:
    world = ChatWorld()
    caller = await world.caller()
    other, _ = await world.keys.issue("a1", "other")
    await world.keys.delete("a1", other.key_id)
    world.driver.calls.clear()
    reservation = await reserve(world, caller, limit=10)
    assert world.driver.calls == ["UpdateItem", "GetItem", "UpdateItem"]
    assert reservation.image.key_epoch == 1


async def test_a_revoked_key_is_refused_at_the_next_reserve_although_its_record_is_cached() -> None:
    world = ChatWorld()
    secret = await world.open()
    caller = await world.authenticate(secret)
    await world.keys.delete("a1", caller.api_key.key_id)
    assert (await world.authenticate(secret)).api_key.status == "active"
    with pytest.raises(ApiKeyInvalid):
        await reserve(world, caller, limit=10)
    assert (await world.account()).holds == {}


async def test_a_suspended_account_is_refused() -> None:
    world = ChatWorld()
    caller = await world.caller()
    await world.ledger.store.set_status("a1", SUSPENDED)
    with pytest.raises(AccountSuspended):
        await reserve(world, caller)


async def test_a_key_without_an_account_is_no_key() -> None:
    world = ChatWorld()
    caller = await world.caller()
    with pytest.raises(ApiKeyInvalid):
        await reserve(world, Caller("nobody", caller.api_key, 0))


async def test_one_more_than_the_in_flight_limit_waits() -> None:
    world = ChatWorld(environment={"IN_FLIGHT_MAX": "3"})
    caller = await world.caller()
    for _ in range(3):
        await reserve(world, caller, limit=1)
    with pytest.raises(RateLimited, match="in flight") as caught:
        await reserve(world, caller, limit=1)
    assert caught.value.details == {"reason": "in_flight"}


async def test_an_accounts_own_in_flight_limit_counts_once_its_image_was_seen() -> None:
    world = ChatWorld()
    caller = await world.caller(limits=AccountLimits(in_flight_max=1))
    await reserve(world, caller, limit=1)
    with pytest.raises(RateLimited):
        await reserve(world, caller, limit=1)


async def test_what_the_account_can_pay_is_not_refused_from_memory() -> None:
    world = ChatWorld()
    caller = await world.caller(usd_for(100))
    with pytest.raises(InsufficientBalance):
        await reserve(world, caller, limit=101)
    assert (await reserve(world, caller, limit=50)).bound.output_tokens == 50


async def test_the_memory_of_one_account_is_not_anothers() -> None:
    world = ChatWorld()
    poor, rich = await world.caller("0"), await world.caller("1.00", account_id="a2")
    with pytest.raises(InsufficientBalance):
        await reserve(world, poor)
    assert (await reserve(world, rich)).bound.output_tokens == 1000


@pytest.mark.parametrize("failure", [StoreThrottled("busy"), OutcomeUnknown("lost")], ids=["throttled", "unknown"])
async def test_a_ledger_that_does_not_answer_is_503_and_nothing_is_forwarded(failure: Exception) -> None:
    world = ChatWorld()
    caller = await world.caller()
    world.driver.failure = failure  # type: ignore[assignment]
    with pytest.raises(LedgerUnavailable) as caught:
        await reserve(world, caller)
    assert caught.value.headers()["retry-after"] == "1"


async def test_a_lost_reply_is_recognised_as_the_own_earlier_success() -> None:
    world = ChatWorld()
    caller = await world.caller()
    first = await reserve(world, caller, limit=10, hold_id="000000abcdef")
    again = await reserve(world, caller, limit=10, hold_id="000000abcdef")
    assert again.hold == first.hold
    assert (await world.account()).live_holds == 1


async def test_another_call_under_the_same_id_is_a_conflict_and_not_served() -> None:
    world = ChatWorld()
    caller = await world.caller()
    await reserve(world, caller, limit=10, hold_id="000000abcdef")
    with pytest.raises(LedgerUnavailable):
        await reserve(world, caller, limit=11, hold_id="000000abcdef")
    assert (await world.account()).live_holds == 1


async def test_of_many_at_once_exactly_as_many_are_served_as_the_funds_allow() -> None:
    world = ChatWorld(environment={"IN_FLIGHT_MAX": "200"})
    caller = await world.caller(nano_to_usd(37 * (FIXED + 10 * TOKEN) + FIXED))
    results = await asyncio.gather(*(reserve(world, caller, limit=10) for _ in range(200)), return_exceptions=True)
    assert sum(isinstance(result, Reservation) for result in results) == 37
    assert all(isinstance(result, Reservation | RateLimited) for result in results)
    assert (await world.account()).available == FIXED


async def test_shortened_calls_at_once_share_the_balance_without_passing_it() -> None:
    world = ChatWorld()
    caller = await world.caller(usd_for(1500))
    results = await asyncio.gather(*(reserve(world, caller) for _ in range(6)), return_exceptions=True)
    served = [result for result in results if isinstance(result, Reservation)]
    assert served
    assert sum(reservation.hold.amount for reservation in served) <= FIXED + 1500 * TOKEN
    assert all(isinstance(result, Reservation | RateLimited | LedgerUnavailable) for result in results)
    await world.account()
