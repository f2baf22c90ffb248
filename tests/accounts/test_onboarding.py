"""The first sign-in under faults: one account, one test credit, whatever is lost, repeated or concurrent."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pytest

from multiconnection.accounts.models import TEST_CREDIT_ID, CreditTerms
from multiconnection.accounts.service import Onboarding
from multiconnection.accounts.store import ProfilesTable
from multiconnection.aws.dynamo import ConditionFailed, Driver
from multiconnection.config import CreditMode
from multiconnection.errors import LedgerUnavailable
from multiconnection.identity.models import Session, account_id_of
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.ledger import Ledger, Margins
from multiconnection.ledger.models import AccountLimits, breaches
from multiconnection.limits.store import LimitsTable
from multiconnection.retry import OutcomeUnknown, StoreThrottled, StoreUnavailable
from tests.support.assertions import assert_error
from tests.support.chat_world import TABLES, Alarms, Queue
from tests.support.limit_world import HandClock, SeededRng, WatchedDriver
from tests.support.people_world import TEST_CREDIT_NANO, PeopleWorld, model_name
from tests.support.whole_world import whole_world
from tools.memory_dynamo.driver import MemoryDynamo

USER = "5d2b1c6e-0000-4000-8000-000000000001"
ADA = Session(account_id_of(USER), "ada@example.com", "Ada", False, USER)
# The same mailbox, other people to the identity provider.
TAGGED = [Session(account_id_of(f"u-{tag}"), f"Ada+{tag}@example.com", "Ada", False, f"u-{tag}") for tag in range(4)]
# Account, profile, look for the credit, claim it for the mailbox, a slot of the network, credit it, nothing is
# withheld, read it back.
CALLS = 8
IP = "192.0.2.7"
MODES = ["fails", "throttled", "reply lost", "crash before", "crash after"]


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Faulty:
    """Breaks the `at`-th call of the driver, once."""

    driver: Driver
    at: int
    mode: str
    calls: int = 0

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        self.calls += 1
        await asyncio.sleep(0)
        if self.calls != self.at:
            return await self.driver.call(operation, payload)
        if self.mode == "fails":
            raise StoreUnavailable("refused")
        if self.mode == "throttled":
            raise StoreThrottled("busy")
        if self.mode == "crash before":
            raise Crash
        # A condition that failed is an answer, too.
        with contextlib.suppress(ConditionFailed):
            await self.driver.call(operation, payload)
        raise Crash if self.mode == "crash after" else OutcomeUnknown("the reply is lost")


def ledger_on(driver: Driver) -> Ledger:
    store = DynamoStore(driver, LedgerTables("balances", "usage", "credits"))
    return Ledger(store, Queue(), Alarms(), HandClock(), SeededRng(1), model_name, Margins())


def onboarding_on(
    driver: Driver,
    credit_nano: int = TEST_CREDIT_NANO,
    *,
    mode: CreditMode = "automatic",
    per_network: int = 5,
    clock: HandClock | None = None,
) -> Onboarding:
    profiles, limits = ProfilesTable(driver, "balances", "credits"), LimitsTable(driver, "limits")
    terms = CreditTerms(credit_nano, mode, per_network)
    return Onboarding(ledger_on(driver), profiles, limits, clock or HandClock(), SeededRng(1), terms)


async def assert_once(memory: MemoryDynamo, credit_nano: int = TEST_CREDIT_NANO) -> None:
    store = ledger_on(memory).store
    account = await store.account(ADA.account_id)
    assert account is not None
    assert breaches(account) == []
    assert (account.credits_in, account.available, account.name) == (credit_nano, credit_nano, "Ada")
    rows = [(row.credit_id, row.amount, row.kind) async for row in store.credit_rows(ADA.account_id)]
    assert rows == ([(TEST_CREDIT_ID, credit_nano, "grant")] if credit_nano else [])
    (item,) = memory.items("balances")
    assert item["email"] == {"S": ADA.email}


async def test_the_first_sign_in_opens_the_account_and_grants_the_credit() -> None:
    driver = WatchedDriver(memory := MemoryDynamo(TABLES))
    account = await onboarding_on(driver).ensure(ADA, IP)
    assert account.available == TEST_CREDIT_NANO
    assert driver.calls == [
        *("PutItem", "UpdateItem", "GetItem", "PutItem"),
        *("UpdateItem", "TransactWriteItems", "UpdateItem", "GetItem"),
    ]
    await assert_once(memory)


async def test_later_sign_ins_change_nothing() -> None:
    memory = MemoryDynamo(TABLES)
    await onboarding_on(memory).ensure(ADA, IP)
    before = memory.snapshot()
    for _ in range(3):
        assert (await onboarding_on(memory).ensure(ADA, IP)).available == TEST_CREDIT_NANO
    assert memory.snapshot() == before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("at", range(1, CALLS + 1))
async def test_a_fault_at_any_step_and_another_sign_in_grant_once(at: int, mode: str) -> None:
    driver = Faulty(memory := MemoryDynamo(TABLES), at, mode)
    try:
        await onboarding_on(driver).ensure(ADA, IP)
        assert "crash" not in mode, "what is not fatal is repeated at once"
        await assert_once(memory)
    except Crash:
        assert "crash" in mode
    assert driver.calls >= at
    await onboarding_on(memory).ensure(ADA, IP)
    await assert_once(memory)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("at", range(1, 4 * CALLS + 1))
async def test_concurrent_first_sign_ins_with_a_fault_grant_once(at: int, mode: str) -> None:
    driver = Faulty(memory := MemoryDynamo(TABLES), at, mode)
    processes = [onboarding_on(driver) for _ in range(4)]

    async def first(process: Onboarding) -> None:
        try:
            await process.ensure(ADA, IP)
        except Crash:
            assert "crash" in mode

    await asyncio.gather(*(first(process) for process in processes))
    await onboarding_on(memory).ensure(ADA, IP)
    await assert_once(memory)


async def test_without_a_configured_credit_none_is_granted() -> None:
    driver = WatchedDriver(memory := MemoryDynamo(TABLES))
    await onboarding_on(driver, 0).ensure(ADA, IP)
    assert "TransactWriteItems" not in driver.calls
    await assert_once(memory, 0)


async def test_a_credit_of_another_amount_is_not_granted_on_top() -> None:
    memory = MemoryDynamo(TABLES)
    await onboarding_on(memory).ensure(ADA, IP)
    await onboarding_on(memory, 2 * TEST_CREDIT_NANO).ensure(ADA, IP)
    await assert_once(memory)


async def test_two_processes_with_different_settings_grant_one_of_both() -> None:
    memory = MemoryDynamo(TABLES)
    driver = WatchedDriver(memory)
    amounts = (TEST_CREDIT_NANO, 2 * TEST_CREDIT_NANO)
    await asyncio.gather(*(onboarding_on(driver, amount).ensure(ADA, IP) for amount in amounts))
    account = await ledger_on(memory).store.account(ADA.account_id)
    assert account is not None
    await assert_once(memory, account.credits_in)
    assert account.credits_in in amounts


async def test_an_account_that_exists_keeps_its_limits_and_money() -> None:
    memory = MemoryDynamo(TABLES)
    await ledger_on(memory).create_account(ADA.account_id, "Ada", AccountLimits(requests_per_minute=7))
    account = await onboarding_on(memory).ensure(ADA, IP)
    assert account.limits.requests_per_minute == 7
    await assert_once(memory)


async def granted(memory: MemoryDynamo, *sessions: Session) -> list[int]:
    """What each account has been given; its balance says the same."""
    store, found = ledger_on(memory).store, []
    for session in sessions:
        account = await store.account(session.account_id)
        assert account is not None
        assert breaches(account) == []
        rows = [row.amount async for row in store.credit_rows(session.account_id)]
        assert sum(rows) == account.credits_in == account.available
        found.append(account.credits_in)
    return found


async def test_a_mailbox_is_granted_the_credit_once() -> None:
    memory = MemoryDynamo(TABLES)
    for _ in range(2):
        for session in (ADA, *TAGGED):
            await onboarding_on(memory).ensure(session, IP)
    assert await granted(memory, ADA, *TAGGED) == [TEST_CREDIT_NANO, 0, 0, 0, 0]
    other = replace(TAGGED[0], account_id="acct_other", email="bob@example.com")
    assert (await onboarding_on(memory).ensure(other, IP)).available == TEST_CREDIT_NANO


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("at", range(1, 4 * CALLS + 1))
async def test_concurrent_first_sign_ins_of_one_mailbox_with_a_fault_grant_once(at: int, mode: str) -> None:
    driver = Faulty(memory := MemoryDynamo(TABLES), at, mode)

    async def first(session: Session) -> None:
        try:
            await onboarding_on(driver).ensure(session, IP)
        except Crash:
            assert "crash" in mode

    await asyncio.gather(*(first(session) for session in TAGGED))
    for session in TAGGED:
        await onboarding_on(memory).ensure(session, IP)
    assert sorted(await granted(memory, *TAGGED)) == [0, 0, 0, TEST_CREDIT_NANO]


async def test_a_claim_whose_grant_was_lost_is_granted_to_its_own_account_alone() -> None:
    memory = MemoryDynamo(TABLES)
    with pytest.raises(Crash):
        await onboarding_on(Faulty(memory, 4, "crash after")).ensure(ADA, IP)
    assert len(memory.items("credits")) == 1, "only the claim"
    assert (await onboarding_on(memory).ensure(TAGGED[0], IP)).available == 0
    assert (await onboarding_on(memory).ensure(ADA, IP)).available == TEST_CREDIT_NANO
    assert await granted(memory, ADA, TAGGED[0]) == [TEST_CREDIT_NANO, 0]


async def test_who_comes_without_a_configured_credit_claims_none() -> None:
    memory = MemoryDynamo(TABLES)
    await onboarding_on(memory, 0).ensure(TAGGED[0], IP)
    assert memory.items("credits") == []
    assert (await onboarding_on(memory).ensure(ADA, IP)).available == TEST_CREDIT_NANO


async def test_claims_of_mailboxes_are_in_no_account() -> None:
    async with whole_world() as world:
        first, second = [await world.somebody(name) for name in ("ada", "ada+2")]
        boss = await world.somebody("boss", groups=("admin",))
        for who, available, rows in ((first, "0.500000000", 1), (second, "0.000000000", 0)):
            assert (await world.ask("account", "GET", "/api/balance", who.headers)).json()["available"] == available
            assert len((await world.ask("account", "GET", "/api/credits", who.headers)).json()["data"]) == rows
        reports = await world.admin.maintenance.reconcile_all()
        assert {report.account_id for report in reports} == {first.account_id, second.account_id, boss.account_id}
        assert [(report.verified, report.drift) for report in reports] == [(True, 0)] * 3
        (claim,) = [row for row in world.memory.items("credits") if row.get("claimed_by") == {"S": first.account_id}]
        path = f"/api/admin/accounts/{quote(claim['account_id']['S'], safe='')}"
        assert (await world.ask("admin", "GET", path, boss.headers)).status_code == 404
        listed = (await world.ask("admin", "GET", "/api/admin/accounts", boss.headers)).json()
        assert len(listed["data"]) == 3


async def test_a_database_that_is_down_is_unavailable() -> None:
    driver = WatchedDriver(MemoryDynamo(TABLES), failure=StoreUnavailable("down"))
    with pytest.raises(LedgerUnavailable):
        await onboarding_on(driver).ensure(ADA, IP)


async def test_who_cannot_be_given_an_account_gets_no_session() -> None:
    world = PeopleWorld()
    world.cognito.add(ADA.email, "correct horse 1")
    failing = Faulty(world.driver.driver, 10**9, "")
    async with world.browser() as browser:
        world.driver.driver = Broken(failing)
        answer = await browser.sign_in(ADA.email, "correct horse 1")
        assert_error(answer, "ledger_unavailable", 503)
        assert "set-cookie" not in answer.headers
        world.driver.driver = failing.driver
        assert (await browser.sign_in(ADA.email, "correct horse 1")).status_code == 200
    assert (await world.account_of(ADA.email)).credits_in == TEST_CREDIT_NANO


@dataclass
class Broken:
    """Everything but the limits is down."""

    driver: Driver

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        if payload.get("TableName") == "limits":
            return await self.driver.call(operation, payload)
        raise StoreUnavailable("down")


def people(count: int) -> list[Session]:
    return [Session(account_id_of(f"n-{n}"), f"n{n}@example.com", "", False, f"n-{n}") for n in range(count)]


@pytest.mark.parametrize(
    ("ips", "granted_max"),
    [
        ([f"192.0.2.{n}" for n in range(12)], 5),
        ([f"2001:db8:7:{n:x}::{n}" for n in range(12)], 5),
        ([f"::ffff:192.0.2.{n}" for n in range(12)], 5),
        ([f"192.0.{n}.1" for n in range(12)], 12),
        ([f"2001:db8:{n:x}::1" for n in range(12)], 12),
        (["unknown"] * 12, 5),
    ],
)
async def test_a_network_has_few_test_credits_in_a_day(ips: list[str], granted_max: int) -> None:
    memory = MemoryDynamo(TABLES)
    who = people(len(ips))
    for _ in range(2):
        for session, ip in zip(who, ips, strict=True):
            await onboarding_on(memory).ensure(session, ip)
    assert await granted(memory, *who) == [TEST_CREDIT_NANO] * granted_max + [0] * (12 - granted_max)
    onboarding = onboarding_on(memory)
    found = [await onboarding.withheld(session.account_id) for session in who]
    assert found == [None] * granted_max + ["network_limit"] * (12 - granted_max)


async def test_of_many_at_once_no_more_than_the_limit_are_granted() -> None:
    driver = WatchedDriver(memory := MemoryDynamo(TABLES))
    who = people(20)
    processes = [onboarding_on(driver) for _ in who]
    await asyncio.gather(*(process.ensure(session, IP) for process, session in zip(processes, who, strict=True)))
    assert sum(await granted(memory, *who)) == 5 * TEST_CREDIT_NANO


async def test_another_day_the_network_has_test_credits_again() -> None:
    memory, clock = MemoryDynamo(TABLES), HandClock()
    who = people(3)
    for session in who:
        await onboarding_on(memory, per_network=1, clock=clock).ensure(session, IP)
    clock.at += 86400
    for session in reversed(who):
        await onboarding_on(memory, per_network=1, clock=clock).ensure(session, IP)
    assert await granted(memory, *who) == [TEST_CREDIT_NANO, 0, TEST_CREDIT_NANO]
    onboarding = onboarding_on(memory)
    assert [await onboarding.withheld(each.account_id) for each in who] == [None, "network_limit", None]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("at", range(1, CALLS + 1))
async def test_a_fault_uses_no_second_slot_up(at: int, mode: str) -> None:
    memory, who = MemoryDynamo(TABLES), people(3)
    with contextlib.suppress(Crash):
        await onboarding_on(Faulty(memory, at, mode), per_network=2).ensure(who[0], IP)
    for session in who:
        await onboarding_on(memory, per_network=2).ensure(session, IP)
    assert await granted(memory, *who) == [TEST_CREDIT_NANO, TEST_CREDIT_NANO, 0]


async def test_where_an_administrator_approves_the_account_waits() -> None:
    memory = MemoryDynamo(TABLES)
    for _ in range(2):
        for session in (ADA, TAGGED[0]):
            await onboarding_on(memory, mode="approval").ensure(session, IP)
    assert await granted(memory, ADA, TAGGED[0]) == [0, 0]
    onboarding = onboarding_on(memory, mode="approval")
    assert await onboarding.withheld(ADA.account_id) == "awaiting_approval"
    assert await onboarding.withheld(TAGGED[0].account_id) == "mailbox_used"
    # With the other setting, what was left undone is done at the next sign-in.
    await onboarding_on(memory).ensure(ADA, IP)
    assert await granted(memory, ADA) == [TEST_CREDIT_NANO]
    assert await onboarding.withheld(ADA.account_id) is None


async def test_without_an_offer_nothing_is_withheld_and_nothing_claimed() -> None:
    memory = MemoryDynamo(TABLES)
    assert (await onboarding_on(memory, mode="off").ensure(ADA, IP)).available == 0
    assert memory.items("credits") == memory.items("limits") == []
    assert await onboarding_on(memory, mode="off").withheld(ADA.account_id) is None


async def test_the_console_says_why_there_is_no_test_credit() -> None:
    world = PeopleWorld(mode="approval")
    world.cognito.add(ADA.email, "correct horse 1")
    async with world.browser() as browser:
        await browser.sign_in(ADA.email, "correct horse 1")
        assert (await browser.get("/api/account")).json()["test_credit"] == "awaiting_approval"
    assert (await world.account_of(ADA.email)).credits_in == 0


def test_account_ids_follow_from_the_person_and_cannot_be_turned_back() -> None:
    assert account_id_of(USER) == account_id_of(USER)
    assert len(account_id_of(USER)) == 29
    ids = {account_id_of(f"user-{number}") for number in range(1000)}
    assert len(ids) == 1000
    assert all(each.startswith("acct_") and each[5:].isalnum() for each in ids)
