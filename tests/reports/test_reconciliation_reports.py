"""The books: the daily run's report is kept with what it found, and a smaller one can be asked for."""

import asyncio
from typing import Any

import pytest

from multiconnection.identity.models import Session
from multiconnection.retry import StoreThrottled
from tests.support.admin_world import ADMIN, USER, AdminApp, AdminWorld

pytestmark = pytest.mark.virtual_time


OTHER = Session("acct_other", "other@example.com", "", False, "u-other")


async def opened() -> tuple[AdminWorld, AdminApp]:
    world = AdminWorld()
    await world.open()
    await world.open(OTHER)
    return world, AdminApp(world)


async def tamper(world: AdminWorld) -> None:
    """Somebody wrote money into an account past the ledger."""
    update: dict[str, Any] = {
        "TableName": "balances",
        "Key": {"account_id": {"S": USER.account_id}},
        "UpdateExpression": "SET credits_in = credits_in + :x, avail = avail + :x",
        "ExpressionAttributeValues": {":x": {"N": "7"}},
    }
    await world.driver.driver.call("UpdateItem", update)


async def test_before_the_first_one_there_is_none() -> None:
    _, app = await opened()
    found = await app.get("reconciliation")
    assert (found["at"], found["findings"]) == (None, [])


async def test_the_daily_report_is_kept_and_says_which_account_drifts() -> None:
    world, app = await opened()
    await world.daily.run()
    assert (await app.get("reconciliation"))["drift"] == "0.000000000"
    await tamper(world)
    await asyncio.sleep(1)
    assert (await world.daily.run())["drift"] == 7
    found = await app.get("reconciliation")
    assert {name: found[name] for name in ("accounts", "drift", "unverified", "stale_holds", "complete")} == {
        "accounts": 2,
        "drift": "0.000000007",
        "unverified": 0,
        "stale_holds": 0,
        "complete": True,
    }
    (finding,) = found["findings"]
    assert (finding["account_id"], finding["credits_drift"]) == (USER.account_id, "0.000000007")
    assert world.alarms.raised == ["drift"]


async def test_one_on_request_is_logged_and_kept_where_it_saw_everything() -> None:
    world, app = await opened()
    await tamper(world)
    run = await app.post("reconciliation")
    assert (run["accounts"], run["complete"], len(run["findings"])) == (2, True, 1)
    assert await app.get("reconciliation") == run
    (entry,) = (await app.get("audit"))["data"]
    assert (entry["actor"], entry["action"]) == (ADMIN.email, "reconciliation.run")


async def test_a_partial_one_hides_no_whole_one() -> None:
    world, app = await opened()
    await tamper(world)
    whole = await app.post("reconciliation")
    part = await app.post("reconciliation", {"accounts_max": 1})
    assert (part["accounts"], part["complete"]) == (1, False)
    assert await app.get("reconciliation") == whole
    assert (await app.refused("reconciliation", {"accounts_max": 201}))[0] == 400


async def test_without_its_entry_in_the_log_it_does_not_begin() -> None:
    world, app = await opened()
    world.driver.fail("PutItem", StoreThrottled("busy"), times=5)
    before = world.driver.calls.count("Scan")
    assert (await app.refused("reconciliation"))[0] == 503
    assert world.driver.calls.count("Scan") == before
