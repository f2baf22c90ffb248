"""Administrators find accounts, look at them, suspend and resume them; each of it is logged with its cause."""

import asyncio

import pytest

from multiconnection.accounts.models import Withheld, granted_row
from multiconnection.accounts.store import ProfilesTable
from multiconnection.identity.models import Session, account_id_of
from multiconnection.ledger.models import FROZEN, Hold, breaches
from multiconnection.ledger.reserve import ReserveRefusal, ReserveRefused
from multiconnection.retry import StoreThrottled
from tests.support.admin_world import ADMIN, SECOND, SETTINGS, USER, AdminApp, AdminWorld

pytestmark = pytest.mark.virtual_time


WHY = {"reason": "chargeback"}
PATH = f"accounts/{USER.account_id}"


def some_hold() -> Hold:
    return Hold(USER.account_id, "hold-1", 5, 2_000_000_000, "key00001", False, "m01", 7)


async def test_accounts_are_found_by_id_and_by_the_beginning_of_an_address() -> None:
    world = AdminWorld()
    app = AdminApp(world)
    await world.open()
    await world.open(Session(account_id_of("u-2"), "ursula@example.com", "Ursula", False, "u-2"))
    world.people.people += [("ursula@example.com", "u-2"), ("unopened@example.com", "u-3")]
    (by_id,) = (await app.get(f"accounts?query={USER.account_id}"))["data"]
    assert by_id == {
        "object": "account",
        "id": USER.account_id,
        "email": USER.email,
        "name": "User",
        "status": "active",
        "available": "50.000000000",
        "in_flight": "0.000000000",
        "credits_in": "50.000000000",
        "charged": "0.000000000",
        "created": 1_800_000_000,
        "test_credit": None,
    }
    assert [found["email"] for found in (await app.get("accounts?query=URS"))["data"]] == ["ursula@example.com"]
    # Signed up, never signed in: no account.
    assert (await app.get("accounts?query=unopened"))["data"] == []
    assert (await app.get("accounts?query=nobody"))["data"] == []


async def test_every_account_is_listed_page_by_page() -> None:
    world = AdminWorld()
    app = AdminApp(world)
    people = [Session(account_id_of(f"u-{n}"), f"p{n}@example.com", "", False, f"u-{n}") for n in range(5)]
    for person in people:
        await world.open(person)
    found, cursor = [], ""
    for _ in range(9):
        page = await app.get(f"accounts?limit=2{cursor}")
        found += [each["id"] for each in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(found) == sorted(person.account_id for person in people)
    world.people.people = [(person.email, person.user_id) for person in people]
    first = await app.get("accounts?query=p&limit=3")
    second = await app.get(f"accounts?query=p&limit=3&cursor={first['next_cursor']}")
    assert [len(page["data"]) for page in (first, second)] == [3, 2]
    assert (await app.refused(f"accounts?cursor={first['next_cursor']}", method="GET"))[0] == 400


async def test_an_account_is_shown_with_keys_orders_and_credits() -> None:
    world = AdminWorld()
    app = AdminApp(world)
    await world.open()
    _, secret = await world.keys.issue(USER.account_id, "laptop")
    shown = await app.get(PATH)
    assert [(key["name"], key["last4"], key["status"]) for key in shown["keys"]] == [("laptop", secret[-4:], "active")]
    assert [(row["id"], row["amount"]) for row in shown["credits"]] == [("opening", "50.000000000")]
    assert shown["orders"] == []
    assert secret not in str(shown)
    assert (await app.refused("accounts/acct_none", method="GET"))[:2] == (404, "account_not_found")


async def test_a_suspended_account_is_refused_its_next_call_and_a_resumed_one_is_not() -> None:
    world = AdminWorld()
    app = AdminApp(world)
    await world.open()
    assert (await app.post(f"{PATH}/suspend", WHY))["status"] == "suspended"
    with pytest.raises(ReserveRefused) as caught:
        await world.ledger.reserve(some_hold(), key_epoch=0, in_flight_max=4)
    assert caught.value.refusal is ReserveRefusal.STATUS
    assert (await app.post(f"{PATH}/resume", {"reason": "paid"}, SECOND))["status"] == "active"
    reserved = await world.ledger.reserve(some_hold(), key_epoch=0, in_flight_max=4)
    assert breaches(reserved.image) == []
    log = (await app.get("audit"))["data"]
    assert [(entry["actor"], entry["action"], entry["before"], entry["after"], entry["reason"]) for entry in log] == [
        (SECOND.email, "account.resume", {"status": "suspended"}, {"status": "active"}, "paid"),
        (ADMIN.email, "account.suspend", {"status": "active"}, {"status": "suspended"}, "chargeback"),
    ]
    assert {entry["subject"] for entry in log} == {USER.account_id}


async def test_what_is_so_already_is_neither_changed_nor_logged_again() -> None:
    world = AdminWorld()
    await world.open()
    for _ in range(2):
        await world.accounts.suspend(ADMIN, USER.account_id, "x")
    assert await world.actions() == ["account.suspend"]


async def test_two_who_suspend_at_once_are_logged_once() -> None:
    world = AdminWorld()
    await world.open()
    version = (await world.image()).version
    await asyncio.gather(*(world.accounts.suspend(who, USER.account_id, "x") for who in (ADMIN, SECOND)))
    assert await world.actions() == ["account.suspend"]
    assert (await world.image()).version == version + 1


async def test_a_frozen_account_is_not_suspended_over_and_can_be_resumed() -> None:
    world = AdminWorld()
    app = AdminApp(world)
    await world.open()
    await world.ledger.store.set_status(USER.account_id, FROZEN)
    status, code, error = await app.refused(f"{PATH}/suspend", WHY)
    assert (status, code, error["status"]) == (409, "account_status_conflict", "frozen")
    assert (await app.post(f"{PATH}/resume", WHY))["status"] == "active"


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": 5}, {"reason": "x", "more": 1}, []])
async def test_no_reason_no_change(body: object) -> None:
    world = AdminWorld()
    app = AdminApp(world)
    await world.open()
    assert (await app.refused(f"{PATH}/suspend", body))[0] == 400
    assert (await world.image()).status == "active"
    assert await world.actions() == []


async def test_a_change_and_its_entry_are_both_there_or_neither_whatever_is_lost() -> None:
    world = AdminWorld()
    await world.open()
    world.driver.lose_reply("TransactWriteItems", times=2)
    world.driver.fail("TransactWriteItems", StoreThrottled("busy"))
    record = await world.accounts.suspend(ADMIN, USER.account_id, "x")
    assert record.image.status == "suspended"
    assert await world.actions() == ["account.suspend"]


async def test_where_the_tables_fail_nothing_is_changed_and_nothing_logged() -> None:
    world = AdminWorld()
    app = AdminApp(world)
    await world.open()
    world.driver.fail("TransactWriteItems", StoreThrottled("busy"), times=9)
    assert (await app.refused(f"{PATH}/suspend", WHY))[:2] == (503, "ledger_unavailable")
    assert (await world.image()).status == "active"
    assert await world.actions() == []


async def waiting(world: AdminWorld, who: Session = USER, why: Withheld = "awaiting_approval") -> None:
    await world.open(who, 0)
    await ProfilesTable(world.driver, "balances", "credits").withhold(who.account_id, why)


@pytest.mark.parametrize("why", ["awaiting_approval", "network_limit"])
async def test_an_awaited_test_credit_is_granted_once_and_logged(why: Withheld) -> None:
    world = AdminWorld()
    app = AdminApp(world)
    await waiting(world, why=why)
    assert [each["test_credit"] for each in (await app.get("accounts?awaiting=true"))["data"]] == [why]
    for who in (ADMIN, SECOND, ADMIN):
        shown = await app.post(f"{PATH}/test-credit", {"reason": "looks fine"}, who)
        assert (shown["available"], shown["test_credit"]) == ("1.000000000", None)
    assert breaches(await world.image()) == []
    rows = [
        (row.credit_id, row.amount, row.kind, row.actor)
        async for row in world.ledger.store.credit_rows(USER.account_id)
    ]
    assert rows == [("test-credit", SETTINGS.test_credit_nano, "grant", ADMIN.email)]
    (entry,) = (await app.get("audit"))["data"]
    assert (entry["actor"], entry["action"], entry["subject"], entry["after"], entry["reason"]) == (
        ADMIN.email,
        "account.test_credit",
        USER.account_id,
        {"amount": "1.000000000"},
        "looks fine",
    )
    assert (await app.get("accounts?awaiting=true"))["data"] == []


async def test_many_who_grant_at_once_grant_once() -> None:
    world = AdminWorld()
    await waiting(world)
    world.driver.lose_reply("TransactWriteItems", 2)
    grants = (world.accounts.grant_test_credit(who, USER.account_id, "") for who in (ADMIN, SECOND) * 3)
    await asyncio.gather(*grants)
    assert (await world.image()).credits_in == SETTINGS.test_credit_nano
    assert await world.actions() == ["account.test_credit"]


async def test_who_does_not_wait_is_granted_none() -> None:
    world = AdminWorld()
    app = AdminApp(world)
    await world.open()
    assert (await app.refused(f"{PATH}/test-credit", WHY))[:2] == (409, "test_credit_not_awaited")
    other = Session(account_id_of("u-2"), "ursula@example.com", "Ursula", False, "u-2")
    await waiting(world, other, "mailbox_used")
    path = f"accounts/{other.account_id}/test-credit"
    assert (await app.refused(path, WHY))[:2] == (409, "test_credit_not_awaited")
    assert (await app.refused("accounts/acct_none/test-credit", WHY))[:2] == (404, "account_not_found")
    await waiting(world, ADMIN)
    assert (await app.refused(f"accounts/{ADMIN.account_id}/test-credit", WHY))[:2] == (403, "self_approval_forbidden")
    assert await world.actions() == []


async def test_a_credit_that_a_sign_in_granted_is_not_granted_again() -> None:
    """The sign-in died before it could say that nothing is withheld any more."""
    world = AdminWorld()
    app = AdminApp(world)
    await waiting(world)
    await world.ledger.credit(granted_row(USER.account_id, SETTINGS.test_credit_nano, "system", 1))
    shown = await app.post(f"{PATH}/test-credit", WHY)
    assert (shown["available"], shown["test_credit"]) == ("1.000000000", None)
    assert await world.actions() == []


async def test_the_accounts_that_wait_are_listed_page_by_page() -> None:
    world = AdminWorld()
    app = AdminApp(world)
    await world.open()
    who = [Session(account_id_of(f"w-{n}"), f"w{n}@example.com", "", False, f"w-{n}") for n in range(5)]
    for each in who:
        await waiting(world, each)
    found, cursor = [], ""
    for _ in range(9):
        page = await app.get(f"accounts?awaiting=true&limit=2{cursor}")
        assert len(page["data"]) <= 2
        found += [each["id"] for each in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(found) == sorted(each.account_id for each in who)
