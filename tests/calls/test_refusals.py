"""Refusals for funds: what a process remembers saves writes and refuses no call that could be paid."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.calls.reservation import Reservation, Reserver
from multiconnection.errors import InsufficientBalance, LedgerUnavailable, RateLimited, RequestInvalid
from multiconnection.keys.authenticate import Authenticator
from multiconnection.keys.models import ApiKey
from multiconnection.keys.schemas import KeyPatch
from multiconnection.keys.store import KeysTable
from multiconnection.limits.accounts import KnownAccounts
from multiconnection.money import nano_to_usd
from multiconnection.retry import StoreThrottled
from tests.simulation.scenarios import simulate
from tests.support.chat_bodies import parsed
from tests.support.chat_world import IP, ChatWorld, a_model

pytestmark = pytest.mark.virtual_time


MODEL = a_model()
FIXED = parsed().bind(MODEL, 0).bound.with_output(0).hold_nano
TOKEN = 2000


def price(tokens: int) -> int:
    return FIXED + tokens * TOKEN


class Process:
    """One environment of the function: its own caches over the deployment's tables."""

    def __init__(self, world: ChatWorld) -> None:
        self.world = world
        seen = KnownAccounts(world.ledger.store.account)
        keys = KeysTable(world.driver, "keys", "balances")
        self.door = Authenticator(keys, world.limiter, world.clock, world.settings.key_cache_s)
        self.reserver = Reserver(world.ledger, self.door, seen, world.clock, world.settings.in_flight_max, 1000)

    async def reserve(self, secret: str, limit: int | None) -> Reservation:
        caller = await self.door.authenticate(f"Bearer {secret}", None, IP)
        call = parsed(max_tokens=limit).bind(MODEL, 0)
        return await self.reserver.reserve(caller, call, self.world.context())


@dataclass
class Customer:
    """An account whose keys, budgets and balance change while several processes serve it."""

    world: ChatWorld = field(default_factory=ChatWorld)
    keys: list[tuple[ApiKey, str]] = field(default_factory=list)
    holds: list[Reservation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.processes = [Process(self.world) for _ in range(2)]

    async def new_key(self, budget: int | None) -> None:
        self.keys.append(await self.world.keys.issue("a1", "key", budget_nano=budget))

    async def act(self, step: tuple[Any, ...]) -> None:
        kind, *arguments = step
        if kind == "credit":
            await self.world.credit(nano_to_usd(price(arguments[0])))
        elif kind == "new key":
            await self.new_key(arguments[0] and price(arguments[0]))
        elif kind == "budget":
            number, tokens = arguments
            key, _ = self.keys[number % len(self.keys)]
            # A budget below what is used already is refused.
            with suppress(RequestInvalid):
                budget = nano_to_usd(price(tokens)) if tokens else None
                await self.world.keys.change("a1", key.key_id, KeyPatch(budget=budget))
        elif kind == "ends" and self.holds:
            hold = self.holds.pop().hold
            await self.world.ledger.store.apply(hold, 0, return_to_cap=False)
        elif kind == "time":
            await asyncio.sleep(arguments[0])
        elif kind == "call":
            await self.call(*arguments)

    async def call(self, process: int, number: int, limit: int | None) -> None:
        _, secret = self.keys[number % len(self.keys)]
        try:
            self.holds.append(await self.processes[process].reserve(secret, limit))
        except (InsufficientBalance, RateLimited) as exc:
            refused = exc
        else:
            return
        # A process that remembers nothing must say the same, word for word.
        with pytest.raises(type(refused)) as truth:
            await Process(self.world).reserve(secret, limit)
        assert (truth.value.message, truth.value.details) == (refused.message, refused.details)


LIMITS = st.sampled_from((None, 1, 60, 100, 200))
STEPS = st.one_of(
    st.tuples(st.just("call"), st.integers(0, 1), st.integers(0, 3), LIMITS),
    st.tuples(st.just("call"), st.integers(0, 1), st.integers(0, 3), LIMITS),
    st.tuples(st.just("credit"), st.sampled_from((1, 70, 150))),
    st.tuples(st.just("new key"), st.sampled_from((None, 1, 80, 300))),
    st.tuples(st.just("budget"), st.integers(0, 3), st.sampled_from((None, 1, 80, 300))),
    st.tuples(st.just("ends")),
    st.tuples(st.just("time"), st.sampled_from((0.1, 0.6, 6.0, 61.0))),
)


@given(st.lists(STEPS, max_size=25))
def test_no_history_of_changes_leads_to_a_refusal_that_a_fresh_process_would_not_give(
    steps: list[tuple[Any, ...]],
) -> None:
    async def history() -> None:
        customer = Customer()
        await customer.world.open(nano_to_usd(price(60)))
        await customer.new_key(price(60))
        for step in steps:
            await customer.act(step)

    simulate(history())


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in another process"])
@pytest.mark.parametrize(
    "change",
    [("credit", 150), ("new key", 150), ("new key", None), ("budget", 0, 300), ("budget", 0, None)],
    ids=lambda change: " ".join(map(str, change)),
)
async def test_what_changes_right_after_a_refusal_serves_the_next_call(
    change: tuple[Any, ...], elsewhere: bool
) -> None:
    # given a key whose budget does not pay for the call, or an account that does not
    customer = Customer()
    await customer.world.open("0" if change[0] == "credit" else "1.00")
    await customer.new_key(None if change[0] == "credit" else price(1))
    with pytest.raises(InsufficientBalance):
        await customer.processes[0].reserve(customer.keys[-1][1], 100)
    # when
    await customer.act(change)
    served = await customer.processes[int(elsewhere)].reserve(customer.keys[-1][1], 100)
    # then
    assert served.bound.output_tokens == 100


async def test_refusals_one_after_the_other_cost_a_read_each_and_no_write() -> None:
    customer = Customer()
    await customer.world.open("0")
    await customer.new_key(None)
    process, secret, calls = customer.processes[0], customer.keys[0][1], customer.world.driver.calls
    for number in range(21):
        if number == 1:
            calls.clear()
        with pytest.raises(InsufficientBalance):
            await process.reserve(secret, None)
    assert calls == ["GetItem"] * 20


async def test_refusals_at_once_share_two_reads() -> None:
    customer = Customer()
    await customer.world.open("0")
    await customer.new_key(None)
    process, secret, calls = customer.processes[0], customer.keys[0][1], customer.world.driver.calls
    with pytest.raises(InsufficientBalance):
        await process.reserve(secret, None)
    calls.clear()
    refused = await asyncio.gather(*(process.reserve(secret, None) for _ in range(200)), return_exceptions=True)
    assert all(isinstance(error, InsufficientBalance) for error in refused)
    assert set(calls) == {"GetItem"}
    assert len(calls) <= 2


async def test_an_account_that_can_pay_again_is_written_to_at_once() -> None:
    customer = Customer()
    await customer.world.open("0")
    await customer.new_key(None)
    process, secret, calls = customer.processes[0], customer.keys[0][1], customer.world.driver.calls
    with pytest.raises(InsufficientBalance):
        await process.reserve(secret, 100)
    await customer.world.credit("1.00")
    calls.clear()
    for _ in range(3):
        await process.reserve(secret, 100)
    assert calls == ["GetItem", "UpdateItem", "UpdateItem", "UpdateItem"]


async def test_an_open_ended_call_of_a_low_balance_is_shortened_by_the_read_and_not_by_a_refused_write() -> None:
    customer = Customer()
    await customer.world.open(nano_to_usd(price(300) + FIXED))
    await customer.new_key(None)
    process, secret, calls = customer.processes[0], customer.keys[0][1], customer.world.driver.calls
    with pytest.raises(InsufficientBalance):
        await process.reserve(secret, 1000)
    calls.clear()
    reservation = await process.reserve(secret, None)
    assert calls == ["GetItem", "UpdateItem"]
    assert reservation.hold.amount + TOKEN > price(300) + FIXED


async def test_a_read_that_fails_is_a_503() -> None:
    customer = Customer()
    await customer.world.open("0")
    await customer.new_key(None)
    process, secret = customer.processes[0], customer.keys[0][1]
    with pytest.raises(InsufficientBalance):
        await process.reserve(secret, None)
    customer.world.driver.failure = StoreThrottled("busy")
    with pytest.raises(LedgerUnavailable):
        await process.reserve(secret, None)


async def test_a_caller_who_comes_while_a_read_is_under_way_waits_for_the_next() -> None:
    class Slow:
        """An account store whose reads show the balance as it was when they began."""

        def __init__(self) -> None:
            self.world = ChatWorld()
            self.reads = 0

        async def account(self, account_id: str) -> Any:
            self.reads += 1
            image = await self.world.ledger.store.account(account_id)
            await asyncio.sleep(1)
            return image

    slow = Slow()
    await slow.world.open("0")
    seen = KnownAccounts(slow.account)
    early = asyncio.create_task(seen.read("a1"))
    await asyncio.sleep(0.5)
    await slow.world.credit("1.00")
    late = [asyncio.create_task(seen.read("a1")) for _ in range(5)]
    (before, *after) = await asyncio.gather(early, *late)
    assert before is not None
    assert before.available == 0
    assert {image.available for image in after if image} == {10**9}
    assert slow.reads == 2
