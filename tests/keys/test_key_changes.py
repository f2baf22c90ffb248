"""Changes of keys in their tables: all of one or nothing, whatever else happens to the same key meanwhile."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from multiconnection.aws.dynamo import Driver
from multiconnection.errors import ApiKeyNotFound, RequestInvalid
from multiconnection.keys.models import SESSION, AccountRefusedKey, ApiKey, KeyChanged, hash_secret
from multiconnection.keys.schemas import KeyPatch
from multiconnection.keys.service import KeyService
from multiconnection.keys.store import KeysTable, item_of, parse
from multiconnection.ledger import items as ledger_items
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.models import Account, AccountLimits, Hold
from multiconnection.money import nano_to_usd
from tests.support.limit_world import BALANCES, KEYS, START_S, HandClock, SeededRng, driver_named


def usd(amount_nano: int | None) -> str | None:
    return None if amount_nano is None else nano_to_usd(amount_nano)


class World:
    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.table = KeysTable(driver, KEYS, BALANCES)
        self.clock = HandClock()
        self.store = DynamoStore(driver, LedgerTables(BALANCES, "usage", "credits"))
        self.keys = KeyService(self.table, self.store, self.clock, SeededRng(1))

    async def image(self) -> Account:
        account = await self.store.account("a1")
        assert account is not None
        return account

    async def slots(self) -> int:
        payload = {"TableName": BALANCES, "Key": ledger_items.account_key("a1")}
        return int((await self.driver.call("GetItem", payload))["Item"]["nk"]["N"])

    async def found(self, key: ApiKey) -> ApiKey:
        found = await self.table.find(key.key_hash)
        assert found is not None
        return found


@pytest.fixture(params=["memory", "moto"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with driver_named(request.param) as driver:
        asyncio.run(driver.call("PutItem", ledger_items.create(BALANCES, "a1", "", int(START_S), AccountLimits())))
        yield World(driver)


async def test_a_record_with_everything_comes_back_from_its_item(world: World) -> None:
    key, _ = await world.keys.issue("a1", "x", kind=SESSION)
    whole = replace(key, replaced_by="h1", retired=("h2", "h3"), retires_s=7, revision=4)
    assert parse(item_of(whole)) == whole
    assert key.kind == SESSION
    assert await world.found(key) == key


async def test_a_change_raises_the_epoch_once_and_the_revision_with_it(world: World) -> None:
    key, _ = await world.keys.issue("a1", "x")
    changed = await world.keys.change("a1", key.key_id, KeyPatch(name="y", requests_per_minute=5))
    assert await world.found(key) == replace(changed.key, revision=1)
    image = await world.image()
    assert (image.key_epoch, image.version) == (1, 1)
    await world.keys.change("a1", key.key_id, KeyPatch(name="y"))
    assert await world.image() == image


@pytest.mark.parametrize(
    ("before", "after", "caps", "slots"),
    [(None, 7, 7, 1), (7, None, None, 0), (7, 9, 9, 1), (9, 7, 7, 1), (7, 7, 7, 1), (None, None, None, 0)],
)
async def test_a_budget_comes_goes_and_moves_in_the_account(
    world: World, before: int | None, after: int | None, caps: int | None, slots: int
) -> None:
    key, _ = await world.keys.issue("a1", "x", budget_nano=before)
    await world.keys.change("a1", key.key_id, KeyPatch(name="y", budget=usd(after)))
    assert (await world.image()).key_caps == ({} if caps is None else {key.key_id: caps})
    assert await world.slots() == slots


@pytest.mark.parametrize("earlier", [0, 1])
async def test_a_change_of_what_has_changed_meanwhile_is_refused(world: World, earlier: int) -> None:
    made, _ = await world.keys.issue("a1", "x", budget_nano=7)
    for number in range(earlier):
        await world.keys.change("a1", made.key_id, KeyPatch(name=str(number)))
    key = await world.found(made)
    await world.keys.change("a1", key.key_id, KeyPatch(name="first"))
    image = await world.image()
    for late in (replace(key, name="late"), replace(key, budget_nano=9), replace(key, budget_nano=None)):
        with pytest.raises(KeyChanged):
            await world.table.replace([(key, late)])
    with pytest.raises(KeyChanged):
        await world.table.delete(key)
    assert await world.image() == image
    assert (await world.found(key)).name == "first"


async def test_a_change_does_not_bring_back_what_was_disabled_by_older_code(world: World) -> None:
    key, _ = await world.keys.issue("a1", "x")
    names = {"ExpressionAttributeNames": {"#s": "status"}, "ExpressionAttributeValues": {":d": {"S": "disabled"}}}
    where = {"TableName": KEYS, "Key": {"key_hash": {"S": key.key_hash}}}
    await world.driver.call("UpdateItem", where | {"UpdateExpression": "SET #s = :d"} | names)
    with pytest.raises(KeyChanged):
        await world.table.replace([(key, replace(key, name="late"))])
    assert (await world.found(key)).status == "disabled"


async def test_two_changes_at_once_are_both_made(world: World) -> None:
    key, _ = await world.keys.issue("a1", "x", budget_nano=10)
    patches = [KeyPatch(name="y"), KeyPatch(budget=usd(20)), KeyPatch(tokens_per_minute=5)]
    await asyncio.gather(*(world.keys.change("a1", key.key_id, patch) for patch in patches))
    found = await world.found(key)
    assert (found.name, found.budget_nano, found.tokens_per_minute, found.revision) == ("y", 20, 5, 3)
    assert (await world.image()).key_caps == {key.key_id: 20}


async def test_less_than_is_used_is_refused_and_changes_nothing(world: World) -> None:
    key, _ = await world.keys.issue("a1", "x", budget_nano=10)
    payload = {"TableName": BALANCES, "Key": ledger_items.account_key("a1"), "UpdateExpression": "SET #k = :left"}
    spent = {"ExpressionAttributeNames": {"#k": f"k_{key.key_id}"}, "ExpressionAttributeValues": {":left": {"N": "4"}}}
    await world.driver.call("UpdateItem", payload | spent)
    with pytest.raises(AccountRefusedKey):
        await world.table.replace([(key, replace(key, budget_nano=5))])
    with pytest.raises(RequestInvalid, match=r"0\.000000006"):
        await world.keys.change("a1", key.key_id, KeyPatch(budget=usd(5)))
    await world.keys.change("a1", key.key_id, KeyPatch(budget=usd(6)))
    assert (await world.image()).key_caps == {key.key_id: 0}


async def test_a_budget_does_not_come_back_while_calls_of_the_old_one_run(world: World) -> None:
    """Or their rest would be given back to the new one, and the key could spend more than its budget."""
    key, _ = await world.keys.issue("a1", "x", budget_nano=10)
    ledger = DynamoStore(world.driver, LedgerTables(BALANCES, "usage", "credits"))
    payload = {"TableName": BALANCES, "Key": ledger_items.account_key("a1"), "UpdateExpression": "SET avail = :ten"}
    await world.driver.call("UpdateItem", payload | {"ExpressionAttributeValues": {":ten": {"N": "10"}}})
    hold = Hold("a1", "hold-1", 10, int(START_S) + 60, key.key_id, capped=True, model_code="m01", price_version=1)
    held = await ledger.reserve(hold, key_epoch=0, in_flight_max=1, activity_bucket=1)
    await world.keys.change("a1", key.key_id, KeyPatch(budget=None))
    with pytest.raises(RequestInvalid, match="still running"):
        await world.keys.change("a1", key.key_id, KeyPatch(budget=usd(10)))
    await ledger.apply(held.holds["hold-1"], 4, return_to_cap=False)
    await world.keys.change("a1", key.key_id, KeyPatch(budget=usd(10)))
    assert (await world.image()).key_caps == {key.key_id: 10}


async def test_rotation_keeps_the_id_and_everything_that_belongs_to_it(world: World) -> None:
    key, _ = await world.keys.issue(
        "a1", "x", budget_nano=10, requests_per_minute=5, models=("m",), ip_ranges=("10.0.0.0/8",)
    )
    world.clock.at += 10
    rotated = await world.keys.rotate("a1", key.key_id, 60)
    new, old = await world.found(rotated.new.key), await world.found(key)
    assert new == rotated.new.key
    assert new.key_hash == hash_secret(rotated.secret)
    same: dict[str, Any] = {name: getattr(key, name) for name in ("key_hash", "last4", "created_s", "retired", "epoch")}
    assert replace(new, **same) == key
    assert (old.replaced_by, old.expires_s, old.status) == (new.key_hash, int(START_S) + 70, "active")
    assert await world.table.by_id("a1", key.key_id) == new
    assert (await world.image()).key_caps == {key.key_id: 10}
    assert (await world.image()).key_epoch == 1
    assert await world.slots() == 1


async def test_a_rotation_sent_twice_is_one(world: World) -> None:
    key, _ = await world.keys.issue("a1", "x")
    rotated = await world.keys.rotate("a1", key.key_id, 60)
    image = await world.image()
    await world.table.rotate(key, rotated.old.key, rotated.new.key, [])
    assert await world.image() == image
    with pytest.raises(KeyChanged):
        await world.table.rotate(key, rotated.old.key, replace(rotated.new.key, key_hash="another"), [])
    assert len(await world.table.list("a1")) == 2


async def test_two_rotations_at_once_leave_one_newest_secret(world: World) -> None:
    key, _ = await world.keys.issue("a1", "x", budget_nano=10)
    both = await asyncio.gather(*(world.keys.rotate("a1", key.key_id, 60) for _ in range(2)))
    records = await world.table.list("a1")
    (newest,) = (record for record in records if not record.replaced_by)
    assert newest.key_hash in {each.new.key.key_hash for each in both}
    assert set(newest.retired) == {record.key_hash for record in records} - {newest.key_hash}
    assert len(records) == 3


async def test_a_key_that_ends_has_the_end_of_both(world: World) -> None:
    end_s = int(START_S) + 100
    key, _ = await world.keys.issue("a1", "x", expires_s=end_s)
    await world.keys.rotate("a1", key.key_id, 3600)
    assert (await world.found(key)).expires_s == end_s
    await world.keys.change("a1", key.key_id, KeyPatch(expires_at=end_s - 50))
    assert (await world.found(key)).expires_s == end_s - 50


async def test_deleting_by_a_stale_record_does_not_spare_the_new_secret(world: World) -> None:
    key, _ = await world.keys.issue("a1", "x", budget_nano=10)
    rotated = await world.keys.rotate("a1", key.key_id, 60)
    with pytest.raises(KeyChanged):
        await world.table.delete(key)
    await world.keys.delete("a1", key.key_id)
    assert {record.status for record in await world.table.list("a1")} == {"deleted"}
    assert (await world.image()).key_caps == {}
    assert await world.slots() == 0
    with pytest.raises(ApiKeyNotFound):
        await world.keys.rotate("a1", rotated.new.key.key_id, 60)


async def test_the_index_may_be_behind_a_rotation(world: World) -> None:
    key, _ = await world.keys.issue("a1", "x")
    rotated = await world.keys.rotate("a1", key.key_id, 60)

    class Behind:
        """An index that has not heard of the rotation."""

        async def call(self, operation: str, payload: dict[str, object]) -> dict[str, object]:
            if operation == "Query":
                return {"Items": [item_of(key)]}
            return await world.driver.call(operation, payload)

    table = KeysTable(Behind(), KEYS, BALANCES)  # type: ignore[arg-type]
    assert await table.by_id("a1", key.key_id) == rotated.new.key


async def test_a_key_is_removed_once_and_gives_its_slot_back(world: World) -> None:
    key, _ = await world.keys.issue("a1", "x", budget_nano=10, kind=SESSION)
    for _ in range(2):
        await world.table.remove(key)
    assert await world.table.find(key.key_hash) is None
    assert (await world.image()).key_caps == {}
    assert await world.slots() == 0
    assert (await world.image()).version == 2


async def test_a_deleted_key_is_removed_without_its_account(world: World) -> None:
    key, _ = await world.keys.issue("a1", "x", budget_nano=10, kind=SESSION)
    await world.keys.delete("a1", key.key_id)
    image = await world.image()
    await world.table.remove(await world.found(key))
    assert await world.table.find(key.key_hash) is None
    assert await world.image() == image


# --- disabling and enabling, in whatever order with rotations, ends and the passing of time


@dataclass
class Secret:
    """What a customer expects of one secret: `ends_s` is what its rotation promised, None for the newest."""

    key: ApiKey
    created_s: int
    ends_s: float | None = None
    deleted: bool = False


class Expected:
    """A key as its owner thinks of it: one switch, one end, and secrets with ends of their own."""

    def __init__(self, world: World, first: ApiKey) -> None:
        self.world = world
        self.key_id = first.key_id
        self.secrets = [Secret(first, first.created_s)]
        self.disabled = self.deleted = False
        self.expires_s: int | None = None

    def works(self, secret: Secret) -> bool:
        now_s = self.world.clock.now()
        ended = any(end is not None and now_s >= end for end in (self.expires_s, secret.ends_s))
        return not (self.disabled or self.deleted or secret.deleted or ended)

    async def set(self, **settings: Any) -> None:
        await self.world.keys.change("a1", self.key_id, KeyPatch(**settings))

    async def rotate(self, overlap_s: int) -> None:
        rotated = await self.world.keys.rotate("a1", self.key_id, overlap_s)
        self.secrets[-1].ends_s = self.world.clock.now() + overlap_s
        self.secrets.append(Secret(rotated.new.key, rotated.new.key.created_s))

    async def end_old(self, number: int) -> None:
        old = self.secrets[number % len(self.secrets)]
        await self.world.keys.delete("a1", f"{self.key_id}.{old.key.digits}")
        old.deleted = True

    async def delete(self, _: int) -> None:
        await self.world.keys.delete("a1", self.key_id)
        self.deleted = True

    async def do(self, step: tuple[str, int]) -> None:
        what, number = step
        if what == "wait":
            self.world.clock.at += number
        elif what == "disable" or what == "enable":
            await self.set(disabled=what == "disable")
            self.disabled = what == "disable"
        elif what == "expiry":
            expires_s = int(self.world.clock.now()) + number if number else None
            await self.set(expires_at=expires_s)
            self.expires_s = expires_s
        else:
            await {"rotate": self.rotate, "end old": self.end_old, "delete": self.delete}[what](number)


STEPS = st.tuples(
    st.sampled_from(["disable", "enable", "rotate", "rotate", "wait", "end old", "expiry"]), st.integers(1, 90)
)
ANY_STEP = st.one_of(STEPS, st.just(("expiry", 0)), st.just(("delete", 0)))


@given(st.lists(ANY_STEP, max_size=12))
@example([("rotate", 60), ("disable", 1), ("enable", 1)])
@example([("rotate", 60), ("disable", 1), ("wait", 60), ("enable", 1)])
@example([("rotate", 60), ("rotate", 60), ("disable", 1), ("end old", 3), ("enable", 1)])
@example([("rotate", 60), ("expiry", 10), ("expiry", 0)])
@example([("rotate", 60), ("expiry", 10), ("wait", 20), ("expiry", 0)])
@example([("rotate", 60), ("disable", 1), ("delete", 0), ("enable", 1)])
def test_each_secret_works_exactly_while_its_owner_expects_it_to(steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        with driver_named("memory") as driver:
            await driver.call("PutItem", ledger_items.create(BALANCES, "a1", "", int(START_S), AccountLimits()))
            world = World(driver)
            expected = Expected(world, (await world.keys.issue("a1", "x"))[0])
            for step in steps:
                image, before = await world.image(), await world.table.list("a1")
                with suppress(RequestInvalid, ApiKeyNotFound):
                    await expected.do(step)
                found = {record.key_hash: record for record in await world.table.list("a1")}
                for secret in expected.secrets:
                    record = found.get(secret.key.key_hash)
                    usable = record is not None and record.is_usable(world.clock.now())
                    assert usable == expected.works(secret)
                # The fence of `Authenticator`: nothing about a key changes without its account's epoch.
                if set(found.values()) != set(before):
                    assert (await world.image()).key_epoch > image.key_epoch

    asyncio.run(play())


async def test_two_people_who_disable_enable_and_end_at_once_agree_with_one_order_of_it(world: World) -> None:
    key, _ = await world.keys.issue("a1", "x")
    rotated = await world.keys.rotate("a1", key.key_id, 60)
    await world.keys.change("a1", key.key_id, KeyPatch(disabled=True))
    await asyncio.gather(
        world.keys.change("a1", key.key_id, KeyPatch(disabled=False)),
        world.keys.delete("a1", f"{key.key_id}.{key.digits}"),
        world.keys.change("a1", key.key_id, KeyPatch(disabled=True)),
        world.keys.change("a1", key.key_id, KeyPatch(disabled=False)),
    )
    assert (await world.found(key)).status == "deleted"
    assert (await world.found(rotated.new.key)).status in ("active", "disabled")
    await world.keys.change("a1", key.key_id, KeyPatch(disabled=False))
    assert ((await world.found(key)).status, (await world.found(rotated.new.key)).status) == ("deleted", "active")
