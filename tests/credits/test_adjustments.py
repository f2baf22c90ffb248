"""Adjustments: once for each client token, never below zero, large ones by two people; decided and booked once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from multiconnection.credits.models import AdjustmentStatus
from multiconnection.errors import GatewayError
from multiconnection.identity.models import Session
from multiconnection.ledger.models import breaches
from multiconnection.money import NANO_PER_USD
from multiconnection.retry import OutcomeUnknown, StoreThrottled
from tests.support.admin_world import ADMIN, FUNDS, SECOND, USER, AdminApp, AdminWorld

pytestmark = pytest.mark.virtual_time


PATH = f"accounts/{USER.account_id}/adjust"
TOKEN = "token-01"
THIRD = Session("acct_third", "third@example.com", "", True, "u-third")


def body(amount: str = "5.00", token: str = TOKEN, why: str = "sorry") -> dict[str, str]:
    return {"amount": amount, "reason": why, "client_token": token}


async def opened() -> tuple[AdminWorld, AdminApp]:
    world = AdminWorld()
    await world.open()
    await world.open(SECOND)
    return world, AdminApp(world)


async def proposed(app: AdminApp, amount: str = "500") -> dict[str, Any]:
    made: dict[str, Any] = (await app.post(PATH, body(amount)))["adjustment"]
    assert made["status"] == "awaiting_second"
    return made


async def check_books(world: AdminWorld, available: int) -> None:
    image = await world.image()
    assert (image.available, breaches(image)) == (available, [])
    report = await world.ledger.reconcile(USER.account_id)
    assert report is not None
    assert report.drift == 0


@pytest.mark.parametrize(("amount", "nano"), [("5.00", 5 * 10**9), ("+0.000000001", 1), ("-49.5", -49_500_000_000)])
async def test_a_small_one_is_booked_at_once_under_its_own_id(amount: str, nano: int) -> None:
    world, app = await opened()
    made = (await app.post(PATH, body(amount)))["adjustment"]
    assert (made["status"], made["proposed_by"], made["decided_by"]) == ("applied", ADMIN.email, None)
    (row,) = await world.credit_rows()
    assert (row.credit_id, row.amount, row.kind, row.reason, row.actor) == (
        made["id"],
        nano,
        "adjustment",
        "sorry",
        ADMIN.email,
    )
    await check_books(world, FUNDS + nano)
    assert await world.actions() == ["adjustment.propose", "adjustment.apply"]


async def test_the_same_client_token_is_the_same_adjustment_and_another_amount_is_a_conflict() -> None:
    world, app = await opened()
    first = await app.post(PATH, body())
    assert await app.post(PATH, body()) == first
    for other in (body("6.00"), body(why="another")):
        assert (await app.refused(PATH, other))[:2] == (409, "adjustment_conflict")
    assert (await app.post(PATH, body(token="token-02")))["adjustment"]["id"] != first["adjustment"]["id"]
    await check_books(world, FUNDS + 10 * NANO_PER_USD)


async def test_clicked_ten_times_at_once_it_is_booked_once() -> None:
    world, _ = await opened()
    answers = await asyncio.gather(
        *(world.adjustments.propose(ADMIN, USER.account_id, "-20", "x", "token-01") for _ in range(10))
    )
    assert {answer.status for answer in answers} == {AdjustmentStatus.APPLIED}
    await check_books(world, FUNDS - 20 * NANO_PER_USD)
    assert (await world.actions()).count("adjustment.apply") == 1


async def test_never_more_is_taken_than_is_available() -> None:
    world, app = await opened()
    status, code, error = await app.refused(PATH, body("-50.000000001"))
    assert (status, code, error["available"]) == (409, "adjustment_refused", "50.000000000")
    await check_books(world, FUNDS)
    # Two that are possible one by one and not both.
    results = await asyncio.gather(
        *(world.adjustments.propose(ADMIN, USER.account_id, "-30", "x", token) for token in ("token-01", "token-02")),
        return_exceptions=True,
    )
    assert sorted(isinstance(result, GatewayError) for result in results) == [False, True]
    await check_books(world, FUNDS - 30 * NANO_PER_USD)
    statuses = [each["status"] for each in (await app.get("adjustments?status=refused"))["data"]]
    assert statuses == ["refused"]
    assert "adjustment.refuse" in await world.actions()


async def test_a_refused_one_stays_refused_when_money_comes() -> None:
    world, app = await opened()
    made = await proposed(app)
    # The account had it when it was proposed, and not when it was approved.
    debit = (await app.post(PATH, body("500", "token-02")))["adjustment"]
    await app.post(f"adjustments/{debit['id']}/approve", user=SECOND)
    taking = (await app.post(PATH, body("-540", "token-03")))["adjustment"]
    await app.post(PATH, body("-50", "token-04"))
    refusal = await app.refused(f"adjustments/{taking['id']}/approve", user=SECOND)
    assert refusal[:2] == (409, "adjustment_refused")
    await app.post(f"adjustments/{made['id']}/approve", user=SECOND)
    assert (await app.refused(f"adjustments/{taking['id']}/approve", user=SECOND))[0] == 409
    await check_books(world, FUNDS + 950 * NANO_PER_USD)


async def test_a_large_one_waits_for_a_second_administrator() -> None:
    world, app = await opened()
    made = await proposed(app, "100.000000001")
    await check_books(world, FUNDS)
    assert (await app.get("adjustments"))["data"] == [made]
    assert (await app.refused(f"adjustments/{made['id']}/approve"))[:2] == (403, "self_approval_forbidden")
    approved = (await app.post(f"adjustments/{made['id']}/approve", user=SECOND))["adjustment"]
    assert (approved["status"], approved["decided_by"]) == ("applied", SECOND.email)
    again = (await app.post(f"adjustments/{made['id']}/approve", user=SECOND))["adjustment"]
    assert again == approved == await app.get(f"adjustments/{made['id']}")
    await check_books(world, FUNDS + 100 * NANO_PER_USD + 1)
    assert (await app.get("adjustments"))["data"] == []
    assert await world.actions() == ["adjustment.propose", "adjustment.approve", "adjustment.apply"]


async def test_exactly_the_bound_needs_one_person() -> None:
    _, app = await opened()
    assert (await app.post(PATH, body("100")))["adjustment"]["status"] == "applied"


async def test_a_rejected_one_moves_nothing_and_a_late_approval_is_refused() -> None:
    world, app = await opened()
    made = await proposed(app)
    path = f"adjustments/{made['id']}"
    rejected = (await app.post(f"{path}/reject", {"reason": "no"}, SECOND))["adjustment"]
    assert (rejected["status"], rejected["note"]) == ("rejected", "no")
    status, code, error = await app.refused(f"{path}/approve", user=THIRD)
    assert (status, code) == (409, "adjustment_not_pending")
    assert (error["status"], error["decided_by"]) == ("rejected", SECOND.email)
    # Proposing it again does not change the rejection.
    assert (await app.post(PATH, body("500")))["adjustment"]["status"] == "rejected"
    await check_books(world, FUNDS)


async def test_the_proposer_may_take_it_back() -> None:
    _, app = await opened()
    made = await proposed(app)
    taken_back = await app.post(f"adjustments/{made['id']}/reject", {"reason": "a slip"})
    assert taken_back["adjustment"]["status"] == "rejected"


@pytest.mark.parametrize("seed", range(8))
async def test_of_approve_and_reject_at_once_one_wins(seed: int) -> None:
    world = AdminWorld(seed=seed)
    await world.open()
    adjustments = world.adjustments
    made = await adjustments.propose(ADMIN, USER.account_id, "500", "x", "token-01")
    asked = [
        adjustments.approve(SECOND, made.adjustment_id),
        adjustments.reject(THIRD, made.adjustment_id, "no"),
        adjustments.approve(THIRD, made.adjustment_id),
    ]
    await asyncio.gather(*(asked[seed % 3 :] + asked[: seed % 3]), return_exceptions=True)
    final = await adjustments.get(made.adjustment_id)
    booked = len(await world.credit_rows())
    assert (final.status, booked) in ((AdjustmentStatus.APPLIED, 1), (AdjustmentStatus.REJECTED, 0))
    decisions = [action for action in await world.actions() if action in ("adjustment.approve", "adjustment.reject")]
    assert len(decisions) == 1
    await check_books(world, FUNDS + booked * 500 * NANO_PER_USD)


async def test_an_administrator_does_not_adjust_their_own_account() -> None:
    _, app = await opened()
    own = f"accounts/{SECOND.account_id}/adjust"
    assert (await app.refused(own, body(), SECOND))[:2] == (403, "self_approval_forbidden")
    made = (await app.post(own, body("500")))["adjustment"]
    assert (await app.refused(f"adjustments/{made['id']}/approve", user=SECOND))[:2] == (403, "self_approval_forbidden")


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("lost", [True, False], ids=["reply lost", "not executed"])
async def test_whatever_fails_on_the_way_asking_again_finishes_it_once(at: int, lost: bool) -> None:
    """The `at`-th transaction of a large adjustment fails for good; everything is then asked again."""
    world, _ = await opened()
    adjustments = world.adjustments

    async def all_of_it() -> None:
        made = await adjustments.propose(ADMIN, USER.account_id, "-45", "x", "token-01")
        large = await adjustments.propose(ADMIN, USER.account_id, "500", "x", "token-02")
        await adjustments.approve(SECOND, large.adjustment_id)
        assert made.status is AdjustmentStatus.APPLIED

    failing = [(OutcomeUnknown("lost"), lost)] * 5
    world.driver.planned["TransactWriteItems"] = []
    original = world.driver.driver
    world.driver.driver = Nth(original, at, failing)
    await asyncio.gather(all_of_it(), return_exceptions=True)
    world.driver.driver = original
    await all_of_it()
    await check_books(world, FUNDS + 455 * NANO_PER_USD)
    assert len(await world.credit_rows()) == 2
    assert sorted(await world.actions()) == sorted(
        ["adjustment.propose", "adjustment.apply"] * 2 + ["adjustment.approve"]
    )


class Nth:
    """The n-th transaction fails as planned, and so do its repetitions."""

    def __init__(self, driver: Any, n: int, planned: Sequence[tuple[Exception, bool]]) -> None:
        self._driver, self._left, self._planned = driver, n, list(planned)

    async def call(self, operation: str, payload: Any) -> dict[str, Any]:
        if operation == "TransactWriteItems":
            if self._left == 0 and self._planned:
                error, executed = self._planned.pop(0)
                if executed and len(self._planned) == 4:
                    await self._driver.call(operation, payload)
                raise error
            self._left -= 1
        found: dict[str, Any] = await self._driver.call(operation, payload)
        return found


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"amount": "0"}, None),
        ({"amount": "-0.00"}, None),
        ({"amount": "1e3"}, None),
        ({"amount": "NaN"}, None),
        ({"amount": "5.0000000001"}, None),
        ({"amount": 5}, None),
        ({"amount": "\u0665"}, None),
        ({"reason": ""}, None),
        ({"client_token": "short"}, None),
        ({"kind": "grant"}, None),
    ],
)
async def test_an_adjustment_that_is_none(changed: dict[str, object], code: str | None) -> None:
    world, app = await opened()
    assert (await app.refused(PATH, body() | changed))[:2] == (400, code)
    assert await world.credit_rows() == []
    assert await world.actions() == []


async def test_an_account_or_an_adjustment_that_is_not_there() -> None:
    _, app = await opened()
    assert (await app.refused("accounts/acct_none/adjust", body()))[:2] == (404, "account_not_found")
    for made_up in ("adj_x", "adj_" + "0" * 22, "../keys"):
        assert (await app.refused(f"adjustments/{made_up}/approve", user=SECOND))[0] == 404


async def test_the_list_pages_oldest_first() -> None:
    _, app = await opened()
    made = []
    for n in range(3):
        made.append((await app.post(PATH, body("500", f"token-{n:02d}")))["adjustment"]["id"])
        await asyncio.sleep(1)
    first = await app.get("adjustments?limit=2")
    second = await app.get(f"adjustments?limit=2&cursor={first['next_cursor']}")
    assert [each["id"] for page in (first, second) for each in page["data"]] == made
    assert (await app.refused("adjustments?cursor=nonsense", method="GET"))[0] == 400


async def test_a_busy_account_is_no_reason_to_give_up() -> None:
    world, app = await opened()
    world.driver.fail("TransactWriteItems", StoreThrottled("conflict"), times=3)
    assert (await app.post(PATH, body()))["adjustment"]["status"] == "applied"
