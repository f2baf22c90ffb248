"""The command line does what the pages do, through the same services, under the operator's name."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from local.cli import REFUSALS, parser
from multiconnection.bootstrap.workers import Workers
from multiconnection.errors import SelfApprovalForbidden
from multiconnection.orders.models import OrderStatus
from tests.support.admin_world import FUNDS, SECOND, USER, AdminWorld
from tests.support.orders_world import USER as BUYER
from tests.support.orders_world import OrdersWorld

pytestmark = pytest.mark.virtual_time


ACTOR = "cli:olga"


@pytest.fixture(autouse=True)
def olga(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "olga")


async def run(world: AdminWorld, *arguments: str, orders: OrdersWorld | None = None) -> Any:
    options = parser().parse_args(["admin", *arguments])
    workers = SimpleNamespace(**vars(world), decisions=orders.decisions if orders else None)
    return await options.run(cast("Workers", workers), options)


async def opened() -> AdminWorld:
    world = AdminWorld()
    await world.publish()
    await world.open()
    return world


async def test_accounts_are_found_adjusted_and_suspended() -> None:
    world = await opened()
    account = USER.account_id
    assert (await run(world, "account", "show", account))["available"] == "50.000000000"
    assert (await run(world, "account", "suspend", account, "--reason", "x"))["status"] == "suspended"
    assert (await run(world, "account", "resume", account, "--reason", "y"))["status"] == "active"
    for _ in range(2):
        made = await run(world, "account", "adjust", account, "-2.50", "--reason", "z", "--id", "once")
        assert (made["status"], made["proposed_by"]) == ("applied", ACTOR)
    assert (await world.image()).available == FUNDS - 2_500_000_000


async def test_a_large_adjustment_waits_for_somebody_else_here_too() -> None:
    world = await opened()
    made = await run(world, "account", "adjust", USER.account_id, "500", "--reason", "z")
    with pytest.raises(SelfApprovalForbidden):
        await run(world, "adjustments", "approve", made["id"])
    assert [each["id"] for each in await run(world, "adjustments", "list")] == [made["id"]]
    assert (await world.adjustments.approve(SECOND, made["id"])).decided_by == SECOND.email
    other = await run(world, "account", "adjust", USER.account_id, "500", "--reason", "z")
    assert (await run(world, "adjustments", "reject", other["id"], "--reason", "no"))["status"] == "rejected"


async def test_prices_are_compared_and_set() -> None:
    world = await opened()
    told = await run(world, "prices", "diff", "m-1", "output=2.50", "cached_input=0.20")
    assert [(each["kind"], each["percent"]) for each in told["diff"]] == [("cached_input", -20.0), ("output", 25.0)]
    assert (await run(world, "prices", "set", "m-1", "output=2.50", "--reason", "dearer"))["version"] == 8
    with pytest.raises(REFUSALS):
        await run(world, "prices", "set", "m-1", "output=50")
    with pytest.raises(REFUSALS):
        await run(world, "prices", "set", "m-1", "output=2.60", "--base-version", "7")
    assert (await run(world, "prices", "set", "m-1", "output=50", "--confirm"))["version"] == 9
    assert [each["version"] for each in (await run(world, "prices", "show", "m-1"))["versions"]] == [7, 8, 9]


async def test_switches_revenue_and_books() -> None:
    world = await opened()
    assert (await run(world, "provider", "disable", "one"))["enabled"] is False
    assert [each["enabled"] for each in await run(world, "provider", "list")] == [False, True, True]
    assert (await run(world, "provider", "enable", "one"))["enabled"] is True
    assert (await run(world, "model", "disable", "m-1", "--reason", "old"))["enabled"] is False
    await world.called(int(world.clock.now()))
    assert (await run(world, "revenue", "--group", "model"))["rows"][0]["calls"] == 1
    assert (await run(world, "revenue", "--from", "2027-01-15", "--to", "2027-01-16"))["total"]["calls"] == 1
    assert (await run(world, "reconciliation", "--run"))["accounts"] == 1
    assert (await run(world, "reconciliation"))["accounts"] == 1
    log = await run(world, "audit", "--actor", ACTOR)
    assert [entry["action"] for entry in log] == [
        "reconciliation.run",
        "model.disable",
        "provider.enable",
        "provider.disable",
    ]
    assert all(entry["request_id"].startswith("cli_") for entry in log)
    assert [entry["action"] for entry in await run(world, "audit", "--action", "provider", "--limit", "1")] == [
        "provider.enable"
    ]


async def test_orders_are_listed_and_decided() -> None:
    world, orders = await opened(), OrdersWorld()
    await orders.open_account(BUYER)
    order, other = await orders.in_review(), await orders.in_review("another-token")
    listed = await run(world, "orders", "list", orders=orders)
    assert {each["id"] for each in listed} == {order.order_id, other.order_id}
    repeated = ("--amount", "100.00", "--account", BUYER.account_id)
    approved = await run(world, "orders", "approve", order.order_id, *repeated, orders=orders)
    assert (approved["status"], approved["decided_by"]) == ("approved", ACTOR)
    rejected = await run(world, "orders", "reject", other.order_id, "--reason", "unpaid", orders=orders)
    assert rejected["status"] == "rejected"
    assert (await orders.settled(order)).status is OrderStatus.CREDITED
    assert [(entry.actor, entry.action) for entry in await orders.logged()] == [
        (ACTOR, "order.approved.asked"),
        (ACTOR, "order.approved"),
        (ACTOR, "order.rejected.asked"),
        (ACTOR, "order.rejected"),
    ]
    await orders.stop()


@pytest.mark.parametrize(
    "arguments",
    [
        ["account", "suspend", "a1"],
        ["account", "adjust", "a1", "5"],
        ["prices", "set", "m-1"],
        ["prices", "set", "m-1", "output"],
        ["orders", "approve", "ord_1"],
        ["revenue", "--from", "yesterday"],
        ["audit", "--limit", "0"],
        ["adjustments", "list", "--status", "lost"],
    ],
)
def test_what_is_missing_or_none_is_refused_before_anything_is_asked(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(["admin", *arguments])
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


async def test_operators_of_two_names_are_two_people(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await opened()
    made = await run(world, "account", "adjust", USER.account_id, "500", "--reason", "z")
    monkeypatch.setattr("getpass.getuser", lambda: "oleg")

    assert (await run(world, "adjustments", "approve", made["id"]))["decided_by"] == "cli:oleg"
