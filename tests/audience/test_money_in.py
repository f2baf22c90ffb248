"""Money in from outside: the test credit of a first sign-in, recharge orders and adjustments, each at most once."""

import asyncio
import itertools
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from multiconnection.accounts.models import TEST_CREDIT_ID
from multiconnection.aws.dynamo import Driver
from multiconnection.identity.attempts import AttemptQuotas
from tests.audience.answers import assert_sound, outcome
from tests.audience.declared import Route
from tests.audience.scene import ORDER, Scene, credited, scene
from tests.support.people_world import TEST_CREDIT_NANO
from tests.support.whole_world import OURS, PASSWORD, Somebody, WholeWorld, whole_world

EVE = "eve@example.com"
# Enough for twenty at once; a right password is given back.
QUOTAS = AttemptQuotas(email_attempts=100, ip_attempts=100)
CREDIT_NANO = 100 * 10**9
APPROVE = Route("admin", "POST", "/api/admin/orders/{order_id}/approve")
REJECT = Route("admin", "POST", "/api/admin/orders/{order_id}/reject")
CANCEL = Route("account", "POST", "/api/orders/{order_id}/cancel")

# Far above what one sign-in makes.
CALLS_MAX = 30


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Crashing:
    """The process ends around the `at`-th call of its driver."""

    driver: Driver
    at: int
    after: bool
    calls: int = 0

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        self.calls += 1
        is_last = self.calls == self.at
        if is_last and not self.after:
            raise Crash
        try:
            return await self.driver.call(operation, payload)
        finally:
            if is_last:
                raise Crash


async def auth(world: WholeWorld, step: str, **body: str) -> httpx.Response:
    return await world.ask("account", "POST", f"/api/auth/{step}", OURS, json={"email": EVE, **body})


async def signed_up(world: WholeWorld) -> None:
    assert (await auth(world, "sign-up", password=PASSWORD, name="Eve")).status_code == 202
    assert outcome(await auth(world, "sign-in", password=PASSWORD)) == (401, "sign_in_failed")
    ((mailed_to, code),) = world.cognito.mails
    assert mailed_to == EVE
    assert (await auth(world, "confirm", code=code, password=PASSWORD)).status_code == 200
    assert world.memory.items("balances") == [], "nothing is granted before the first sign-in"


async def assert_granted_once(world: WholeWorld) -> None:
    person = await world.signed_in(world.cognito.people[EVE])
    account = await world.image(person.account_id)
    assert (account.credits_in, account.available) == (TEST_CREDIT_NANO, TEST_CREDIT_NANO)
    rows = await world.credits_of(person.account_id)
    assert [(row.credit_id, row.kind, row.amount) for row in rows] == [(TEST_CREDIT_ID, "grant", TEST_CREDIT_NANO)]
    assert len(world.memory.items("balances")) == 1


async def test_twenty_first_sign_ins_at_once_grant_the_credit_once() -> None:
    async with whole_world(QUOTAS) as world:
        await signed_up(world)
        answers = await asyncio.gather(*(auth(world, "sign-in", password=PASSWORD) for _ in range(20)))
        assert [answer.status_code for answer in answers] == [200] * 20
        assert len({answer.json()["user"]["account_id"] for answer in answers}) == 1
        await assert_granted_once(world)
        assert_sound(world.answers)


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_anywhere_in_the_first_sign_in_loses_and_doubles_nothing(after: bool) -> None:
    """Around one call of the database after the other, until a sign-in makes fewer calls than that."""
    for at in range(1, CALLS_MAX):
        async with whole_world() as world:
            await signed_up(world)
            whole = world.driver.driver
            world.driver.driver = Crashing(whole, at, after)
            try:
                await auth(world, "sign-in", password=PASSWORD)
            except Crash:
                world.driver.driver = whole
                assert (await auth(world, "sign-in", password=PASSWORD)).status_code == 200
                await assert_granted_once(world)
            else:
                break
    # Three attempts counted and given back, account, profile, look for the credit, credit, read.
    assert 11 < at < CALLS_MAX - 1


async def test_a_session_without_an_account_gets_one_with_its_credit() -> None:
    """Signed in, and then the process is gone before the account is made: the cookies were never sent, but tokens are
    good wherever they come from."""
    async with whole_world() as world:
        person = world.cognito.add(EVE, PASSWORD)
        tokens = world.cognito.issue(person)
        headers = {**OURS, "cookie": f"__Host-mc_id={tokens.id_token}"}
        answers = await asyncio.gather(*(world.ask("account", "GET", "/api/account", headers) for _ in range(10)))
        assert {answer.status_code for answer in answers} == {200}
        await assert_granted_once(world)


async def test_the_same_order_sent_ten_times_at_once_is_one_order() -> None:
    async with scene() as world:
        body = {**ORDER, "client_token": "clicked-often"}
        route = Route("account", "POST", "/api/orders")
        answers = await asyncio.gather(*(world.ask(route, world.bob.headers, json=body) for _ in range(10)))
        assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
        assert len({answer.json()["id"] for answer in answers}) == 1
        listed = await world.world.ask("account", "GET", "/api/orders", world.bob.headers)
        assert len(listed.json()["data"]) == 1


def approval(scene: Scene, admin: Somebody) -> Awaitable[httpx.Response]:
    body = {"amount": "100.00", "account_id": scene.ada.account_id}
    return scene.ask(APPROVE, admin.headers, json=body)


def rejection(scene: Scene, admin: Somebody) -> Awaitable[httpx.Response]:
    return scene.ask(REJECT, admin.headers, json={"reason": "nothing arrived"})


def cancellation(scene: Scene) -> Awaitable[httpx.Response]:
    return scene.ask(CANCEL, scene.ada.headers)


async def assert_one_end(world: Scene) -> str:
    """The order has one final state, and the account has its money exactly where that is `credited`."""
    await world.world.engine.settled()
    order = (await world.world.ask("account", "GET", f"/api/orders/{world.ids['order_id']}", world.ada.headers)).json()
    rows = await credited(world.world, world.ada.account_id)
    wanted = [(world.ids["order_id"], "order", CREDIT_NANO)] if order["status"] == "credited" else []
    assert [(row.credit_id, row.kind, row.amount) for row in rows] == wanted
    account = await world.world.image(world.ada.account_id)
    assert account.credits_in == TEST_CREDIT_NANO + sum(row.amount for row in rows)
    ends = [each["status"] for each in order["timeline"]]
    assert len({"credited", "rejected", "cancelled", "expired"} & set(ends)) == 1
    status: str = order["status"]
    return status


def orders_of(moves: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return iter(sorted(set(itertools.permutations(moves))))


@pytest.mark.parametrize("moves", [("approve", "approve"), ("approve", "reject"), ("approve", "approve", "reject")])
async def test_clicks_at_once_end_an_order_once(moves: tuple[str, ...]) -> None:
    """By two administrators, in every order of arrival."""
    ends = set()
    for arrival in orders_of(moves):
        async with scene() as world:
            admins = {"approve": world.root, "reject": world.second}
            make = {"approve": approval, "reject": rejection}
            answers = await asyncio.gather(*(make[move](world, admins[move]) for move in arrival))
            end = await assert_one_end(world)
            ends.add(end)
            won = "approve" if end == "credited" else "reject"
            for move, answer in zip(arrival, answers, strict=True):
                if move == won:
                    assert answer.status_code == 200, "the same click twice finds its own decision"
                else:
                    assert outcome(answer) == (409, "order_not_pending")
            assert_sound(world.world.answers)
    assert ends == {"credited"} | ({"rejected"} if "reject" in moves else set())


async def test_two_administrators_who_approve_at_once_are_told_who_did() -> None:
    async with scene() as world:
        answers = await asyncio.gather(approval(world, world.root), approval(world, world.second))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        (late,) = [answer.json()["error"] for answer in answers if answer.status_code == 409]
        (won,) = [answer.json() for answer in answers if answer.status_code == 200]
        assert late["decided_by"] == won["decided_by"]
        assert await assert_one_end(world) == "credited"


@pytest.mark.parametrize("first", ["approve", "cancel"])
async def test_an_approval_against_the_owners_cancellation_ends_it_once(first: str) -> None:
    async with scene() as world:
        moves = [approval(world, world.root), cancellation(world)]
        answers = await asyncio.gather(*(moves if first == "approve" else reversed(moves)))
        end = await assert_one_end(world)
        assert end in ("credited", "cancelled")
        assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_a_decision_cannot_be_taken_back_or_repeated_by_another() -> None:
    async with scene() as world:
        assert (await approval(world, world.root)).status_code == 200
        assert await assert_one_end(world) == "credited"
        state = world.world.state()["table credits"]
        for late in (approval(world, world.second), rejection(world, world.root), cancellation(world)):
            assert outcome(await late) == (409, "order_not_pending")
        assert (await approval(world, world.root)).status_code == 200, "the same click, hours later"
        assert await assert_one_end(world) == "credited"
        assert world.world.state()["table credits"] == state


async def test_nobody_approves_their_own_order() -> None:
    async with scene() as world:
        made = await world.world.ask("account", "POST", "/api/orders", world.root.headers, json=ORDER)
        await world.world.engine.settled()
        path = f"/api/admin/orders/{made.json()['id']}"
        body = {"amount": "100.00", "account_id": world.root.account_id}
        before = world.world.state()
        for answer in (
            await world.world.ask("admin", "POST", f"{path}/approve", world.root.headers, json=body),
            await world.world.ask("admin", "POST", f"{path}/reject", world.root.headers, json={"reason": "mine"}),
        ):
            assert outcome(answer) == (403, "self_approval_forbidden")
        assert world.world.state() == before
        answer = await world.world.ask("admin", "POST", f"{path}/approve", world.second.headers, json=body)
        assert answer.status_code == 200
        await world.world.engine.settled()
        assert (await world.world.image(world.root.account_id)).credits_in == TEST_CREDIT_NANO + CREDIT_NANO


async def test_an_adjustment_sent_ten_times_at_once_moves_money_once() -> None:
    async with scene() as world:
        route = Route("admin", "POST", "/api/admin/accounts/{account_id}/adjust")
        body = {"amount": "5.00", "reason": "goodwill", "client_token": "clicked-often"}
        answers = await asyncio.gather(*(world.ask(route, world.root.headers, json=body) for _ in range(10)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["adjustment"]["id"] for answer in answers}) == 1
        rows = await credited(world.world, world.ada.account_id)
        assert [(row.kind, row.amount) for row in rows] == [("adjustment", 5 * 10**9)]


async def test_a_large_adjustment_needs_somebody_else_and_happens_once() -> None:
    """The scene has one of 150 USD that root has proposed."""
    async with scene() as world:
        approve = Route("admin", "POST", "/api/admin/adjustments/{adjustment_id}/approve")
        reject = Route("admin", "POST", "/api/admin/adjustments/{adjustment_id}/reject")
        assert outcome(await world.ask(approve, world.root.headers)) == (403, "self_approval_forbidden")
        assert await credited(world.world, world.ada.account_id) == []
        third = await world.world.somebody("third", groups=("admin",))
        answers = await asyncio.gather(
            world.ask(approve, world.second.headers),
            world.ask(approve, world.second.headers),
            world.ask(reject, third.headers, json={"reason": "too much"}),
        )
        rows = [row.amount for row in await credited(world.world, world.ada.account_id)]
        statuses = [answer.status_code for answer in answers]
        assert (statuses, rows) in (([200, 200, 409], [150 * 10**9]), ([409, 409, 200], []))
        assert_sound(world.world.answers)


async def test_nobody_adjusts_their_own_account() -> None:
    async with scene() as world:
        body = {"amount": "5.00", "reason": "a raise", "client_token": "for-myself"}
        before = world.world.state()
        path = f"/api/admin/accounts/{world.root.account_id}/adjust"
        answer = await world.world.ask("admin", "POST", path, world.root.headers, json=body)
        assert outcome(answer) == (403, "self_approval_forbidden")
        assert world.world.state() == before
