"""API keys from creation to deletion, in the table and in their account."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from multiconnection.aws.dynamo import Driver
from multiconnection.errors import ApiKeyNotFound, LedgerUnavailable, RequestInvalid
from multiconnection.keys.models import AccountRefusedKey, KeyChanged, hash_secret, is_well_formed
from multiconnection.keys.schemas import KeyBody, KeyPatch
from multiconnection.keys.service import KeyService
from multiconnection.keys.store import KeysTable, item_of, parse
from multiconnection.ledger import items as ledger_items
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.models import Account, AccountLimits
from multiconnection.retry import StoreThrottled
from tests.support.limit_world import BALANCES, KEYS, START_S, HandClock, SeededRng, driver_named, some_key

SOON = int(START_S) + 3600


class World:
    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.table = KeysTable(driver, KEYS, BALANCES)
        self.clock = HandClock()
        self.store = DynamoStore(driver, LedgerTables(BALANCES, "usage", "credits"))
        self.service = KeyService(self.table, self.store, self.clock, SeededRng(1))

    async def disable(self, account_id: str, key_id: str) -> None:
        await self.service.change(account_id, key_id, KeyPatch(disabled=True))

    async def image(self, account_id: str = "a1") -> Account:
        account = await self.store.account(account_id)
        assert account is not None
        return account

    async def capped_keys(self) -> int:
        payload = {"TableName": BALANCES, "Key": ledger_items.account_key("a1")}
        return int((await self.driver.call("GetItem", payload))["Item"]["nk"]["N"])


@pytest.fixture(params=["memory", "moto"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with driver_named(request.param) as driver:
        asyncio.run(driver.call("PutItem", ledger_items.create(BALANCES, "a1", "", int(START_S), AccountLimits())))
        yield World(driver)


async def test_a_new_key_is_stored_as_its_hash_and_its_secret_is_given_once(world: World) -> None:
    key, secret = await world.service.issue("a1", "laptop")
    assert is_well_formed(secret)
    assert key.key_hash == hash_secret(secret)
    assert key.last4 == secret[-4:]
    assert (key.status, key.created_s, key.epoch) == ("active", int(START_S), 0)
    assert await world.table.find(key.key_hash) == key
    assert await world.table.by_id("a1", key.key_id) == key
    assert secret not in repr(item_of(key))


async def test_every_restriction_comes_back_from_the_table(world: World) -> None:
    key, _ = await world.service.issue(
        "a1",
        "all",
        expires_s=SOON,
        models=("gpt-4.1", "deepseek-v4-flash"),
        ip_ranges=("10.0.0.0/8", "2001:db8::1/128"),
        requests_per_minute=60,
        tokens_per_minute=100_000,
        budget_nano=5 * 10**9,
    )
    assert (key.requests_per_minute, key.tokens_per_minute, key.budget_nano) == (60, 100_000, 5 * 10**9)
    assert await world.table.find(key.key_hash) == key
    assert parse(item_of(key)) == key


async def test_only_a_key_with_a_budget_changes_the_account(world: World) -> None:
    await world.service.issue("a1", "plain")
    assert (await world.image()).version == 0
    key, _ = await world.service.issue("a1", "capped", budget_nano=7)
    image = await world.image()
    assert (image.version, image.key_caps, await world.capped_keys()) == (1, {key.key_id: 7}, 1)


async def test_disabling_raises_the_accounts_key_epoch_once(world: World) -> None:
    key, _ = await world.service.issue("a1", "x")
    for _ in range(2):
        await world.disable("a1", key.key_id)
    found = await world.table.find(key.key_hash)
    assert found is not None
    assert found.status == "disabled"
    image = await world.image()
    assert (image.key_epoch, image.version) == (1, 1)
    later, _ = await world.service.issue("a1", "y")
    assert later.epoch == 1


async def test_deleting_is_final_and_frees_the_budget_slot(world: World) -> None:
    key, _ = await world.service.issue("a1", "x", budget_nano=7)
    kept, _ = await world.service.issue("a1", "kept")
    await world.disable("a1", key.key_id)
    await world.service.delete("a1", key.key_id)
    image = await world.image()
    assert (image.key_caps, await world.capped_keys()) == ({}, 0)
    assert (image.key_epoch, image.version) == (2, 3)
    for change in (world.service.delete, world.disable):
        with pytest.raises(ApiKeyNotFound):
            await change("a1", key.key_id)
    assert await world.service.list("a1") == [kept]


async def test_a_deletion_sent_twice_counts_once_and_nothing_undoes_it(world: World) -> None:
    key, _ = await world.service.issue("a1", "x", budget_nano=7)
    await world.table.delete(key)
    image = await world.image()
    await world.table.delete(key)
    assert await world.image() == image
    with pytest.raises(ApiKeyNotFound):
        await world.service.change("a1", key.key_id, KeyPatch(disabled=False))
    with pytest.raises(KeyChanged):
        await world.table.replace([(key, key)])
    assert await world.image() == image


async def test_a_creation_sent_twice_counts_once(world: World) -> None:
    key, _ = await world.service.issue("a1", "x", budget_nano=7)
    image = await world.image()
    await world.table.create(key)
    assert await world.image() == image
    assert await world.service.list("a1") == [key]


async def test_an_account_has_64_budget_slots(world: World) -> None:
    keys = [(await world.service.issue("a1", str(number), budget_nano=1))[0] for number in range(64)]
    with pytest.raises(RequestInvalid) as caught:
        await world.service.issue("a1", "65th", budget_nano=1)
    assert caught.value.param == "budget"
    await world.service.issue("a1", "without a budget")
    await world.service.delete("a1", keys[0].key_id)
    await world.service.issue("a1", "65th", budget_nano=1)
    assert len(await world.service.list("a1")) == 65


async def test_keys_belong_to_an_account_that_exists(world: World) -> None:
    with pytest.raises(AccountRefusedKey):
        await world.service.issue("nobody", "x")
    with pytest.raises(LedgerUnavailable):
        await world.service.create("nobody", KeyBody(name="x"))
    for budget in (None, 7):
        with pytest.raises(AccountRefusedKey):
            await world.table.create(some_key(account_id="nobody", budget_nano=budget))
    assert await world.table.find("hash") is None


async def test_keys_of_other_accounts_are_neither_seen_nor_changed(world: World) -> None:
    key, _ = await world.service.issue("a1", "x")
    assert await world.service.list("a2") == []
    with pytest.raises(ApiKeyNotFound):
        await world.service.delete("a2", key.key_id)
    assert await world.service.list("a1") == [key]


async def test_a_list_is_read_page_by_page_newest_first(world: World) -> None:
    made = []
    for number in range(3):
        world.clock.at += 1
        made.append((await world.service.issue("a1", str(number)))[0])

    class OneAPage:
        async def call(self, operation: str, payload: Any) -> dict[str, Any]:
            return await world.driver.call(operation, payload | ({"Limit": 1} if operation == "Query" else {}))

    service = KeyService(KeysTable(OneAPage(), KEYS, BALANCES), world.store, world.clock, SeededRng(2))
    assert await service.list("a1") == made[::-1]


async def test_a_change_waits_for_the_accounts_own_traffic(world: World) -> None:
    key, _ = await world.service.issue("a1", "x")

    class Busy:
        refusals = 3

        async def call(self, operation: str, payload: Any) -> dict[str, Any]:
            if operation == "TransactWriteItems" and self.refusals:
                self.refusals -= 1
                raise StoreThrottled("the transaction met another one")
            return await world.driver.call(operation, payload)

    service = KeyService(KeysTable(Busy(), KEYS, BALANCES), world.store, world.clock, SeededRng(2))
    await service.delete("a1", key.key_id)
    assert (await world.image()).key_epoch == 1
