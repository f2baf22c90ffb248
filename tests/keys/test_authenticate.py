"""Authentication: one identical refusal, little I/O, and no revoked key past the ledger."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from multiconnection.aws.dynamo import RequestRejected
from multiconnection.errors import ApiKeyInvalid, ApiKeyRequired, IpNotAuthorized, LedgerUnavailable, RateLimited
from multiconnection.keys.authenticate import READ_S, Authenticator
from multiconnection.keys.models import ApiKey, Caller, hash_secret, new_secret
from multiconnection.keys.store import KeysTable, item_of
from multiconnection.limits.limiter import DefaultRates, Limiter
from multiconnection.limits.store import LimitsTable
from multiconnection.retry import OutcomeUnknown, StoreError, StoreThrottled, StoreUnavailable
from tests.support.limit_world import (
    BALANCES,
    DEFAULTS,
    KEYS,
    LIMITS,
    START_S,
    HandClock,
    SeededRng,
    WatchedDriver,
    memory_driver,
    some_key,
)

IP = "192.0.2.1"
SECRETS = [new_secret(SeededRng(seed)) for seed in range(200)]
SECRET = SECRETS[0]


class KeysDriver:
    """A driver with key records alone, which counts look-ups and can be held up."""

    def __init__(self) -> None:
        self.rows: dict[str, ApiKey] = {}
        self.finds = 0
        self.failure: StoreError | None = None
        self.failures_left = 10**6
        self.gate = asyncio.Event()
        self.gate.set()

    def put(self, secret: str, **changes: object) -> None:
        key_hash = hash_secret(secret)
        self.rows[key_hash] = some_key(key_hash=key_hash, last4=secret[-4:], **changes)

    async def call(self, operation: str, payload: Any) -> dict[str, Any]:
        assert (operation, payload["ConsistentRead"]) == ("GetItem", True)
        self.finds += 1
        if self.failure and self.failures_left:
            self.failures_left -= 1
            raise self.failure
        found = self.rows.get(payload["Key"]["key_hash"]["S"])
        await self.gate.wait()
        return {"Item": item_of(found)} if found else {}


class World:
    def __init__(self, defaults: DefaultRates = DEFAULTS) -> None:
        self.clock = HandClock()
        self.keys = KeysDriver()
        self.driver = WatchedDriver(memory_driver())
        limiter = Limiter(LimitsTable(self.driver, LIMITS), self.clock, defaults, lambda name: None)
        self.door = Authenticator(KeysTable(self.keys, KEYS, BALANCES), limiter, self.clock, cache_s=5.0)

    async def call(self, secret: str = SECRET, ip: str = IP) -> Caller:
        return await self.door.authenticate(f"Bearer {secret}", None, ip)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_valid_key_names_its_account_and_is_looked_up_once_in_five_seconds(world: World) -> None:
    world.keys.put(SECRET, epoch=3)
    for _ in range(5):
        caller = await world.call()
    assert (caller.account_id, caller.api_key.key_id, caller.epoch) == ("a1", "k1", 3)
    assert (world.keys.finds, world.driver.calls) == (1, [])
    world.clock.at += 5
    await world.call()
    assert world.keys.finds == 2


@pytest.mark.parametrize(
    "change", [{"status": "disabled"}, {"status": "deleted"}, {"expires_s": int(START_S)}, None], ids=str
)
async def test_disabled_deleted_expired_and_unknown_keys_get_one_identical_answer(
    world: World, change: dict[str, object] | None
) -> None:
    if change:
        world.keys.put(SECRET, **change)
    for _ in range(2):
        with pytest.raises(ApiKeyInvalid) as caught:
            await world.call()
        assert caught.value.body() == {
            "error": {
                "message": f"Incorrect API key provided: sk-live-***{SECRET[-4:]}.",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_api_key",
            }
        }
        assert caught.value.headers() == {"www-authenticate": "Bearer"}
    assert world.keys.finds == 1


async def test_a_malformed_key_costs_no_io(world: World) -> None:
    for secret in (SECRET[:-1], SECRET[:-1] + "_", "sk-proj-1", "\ud800", "x" * 10_000):
        with pytest.raises(ApiKeyInvalid):
            await world.call(secret)
    assert (world.keys.finds, world.driver.calls) == (0, [])


async def test_no_key_is_told_apart_from_a_wrong_one(world: World) -> None:
    with pytest.raises(ApiKeyRequired):
        await world.door.authenticate(None, None, IP)
    world.keys.put(SECRET)
    assert (await world.door.authenticate(None, SECRET, IP)).account_id == "a1"


async def test_a_key_expires_within_its_cached_time(world: World) -> None:
    world.keys.put(SECRET, expires_s=int(START_S) + 2)
    await world.call()
    world.clock.at += 2
    with pytest.raises(ApiKeyInvalid):
        await world.call()


async def test_a_key_is_bound_to_its_addresses(world: World) -> None:
    world.keys.put(SECRET, ip_ranges=("192.0.2.0/24",))
    await world.call(ip=IP)
    with pytest.raises(IpNotAuthorized):
        await world.call(ip="198.51.100.1")


async def test_guessing_runs_into_a_limit_that_known_keys_do_not_feel(world: World) -> None:
    world.keys.put(SECRET)
    await world.call()
    refusals: list[type[Exception]] = []
    for secret in SECRETS[1:101]:
        with pytest.raises((ApiKeyInvalid, RateLimited)) as caught:
            await world.call(secret)
        refusals.append(caught.type)
    assert refusals == [ApiKeyInvalid] * 60 + [RateLimited] * 40
    assert world.keys.finds == 61
    world.clock.at += 0.5
    await world.call()
    world.keys.put(SECRETS[150])
    with pytest.raises(RateLimited) as limited:
        await world.call(SECRETS[150])
    assert limited.value.details == {"reason": "ip_failed_auth"}
    await world.call(SECRETS[150], ip="198.51.100.1")
    world.clock.at += 5
    await world.call()


@pytest.mark.parametrize("secret", ["sk-nonsense", SECRETS[1]], ids=["malformed", "unknown"])
async def test_one_wrong_key_again_and_again_runs_into_it_too(world: World, secret: str) -> None:
    for _ in range(60):
        with pytest.raises(ApiKeyInvalid):
            await world.call(secret)
    with pytest.raises(RateLimited) as caught:
        await world.call(secret)
    assert caught.value.details == {"reason": "ip_failed_auth"}


async def test_an_address_over_its_request_limit_is_refused_before_its_key_is_read() -> None:
    world = World(replace(DEFAULTS, ip_requests_per_minute=3))
    world.keys.put(SECRET)
    for _ in range(3):
        await world.call()
    with pytest.raises(RateLimited) as caught:
        await world.door.authenticate(None, None, IP)
    assert caught.value.details == {"reason": "ip_requests"}


async def test_a_failing_key_table_is_not_the_callers_fault(world: World) -> None:
    world.keys.failure = StoreUnavailable("no route")
    with pytest.raises(LedgerUnavailable) as caught:
        await world.call()
    assert caught.value.http_status == 503
    world.keys.failure = None
    world.keys.put(SECRET)
    await world.call()


async def test_a_higher_epoch_makes_the_key_be_read_again_before_it_is_used(world: World) -> None:
    world.keys.put(SECRET, epoch=1)
    assert (await world.call()).epoch == 1
    world.door.note_epoch("a1", 2)
    world.door.note_epoch("a1", 1)
    assert (await world.call()).epoch == 2
    assert (await world.call()).epoch == 2
    assert world.keys.finds == 2


async def test_an_image_with_the_epoch_already_carried_costs_no_look_up(world: World) -> None:
    world.keys.put(SECRET, epoch=1)
    await world.call()
    world.door.note_epoch("a1", 1)
    world.door.note_epoch("other", 9)
    await world.call()
    assert world.keys.finds == 1


async def test_a_revoked_key_is_never_given_the_epoch_of_its_revocation(world: World) -> None:
    """Cached as active, revoked elsewhere, and only then an image of the account with the risen epoch comes by."""
    world.keys.put(SECRET, epoch=0)
    await world.call()
    world.keys.put(SECRET, epoch=0, status="disabled")
    world.door.note_epoch("a1", 1)
    with pytest.raises(ApiKeyInvalid):
        await world.call()


async def test_an_image_that_arrives_during_the_look_up_does_not_lend_its_epoch(world: World) -> None:
    """The record was read before the revocation and its answer is late: the caller carries the older epoch."""
    world.keys.put(SECRET, epoch=0)
    world.keys.gate.clear()
    late = asyncio.create_task(world.call())
    await asyncio.sleep(0)
    assert world.keys.finds == 1
    world.keys.put(SECRET, epoch=0, status="disabled")
    world.door.note_epoch("a1", 1)
    world.keys.gate.set()
    assert (await late).epoch == 0
    with pytest.raises(ApiKeyInvalid):
        await world.call()


async def test_after_a_refused_epoch_the_caller_is_renewed_or_told_that_the_key_is_gone(world: World) -> None:
    world.keys.put(SECRET, epoch=0)
    caller = await world.call()
    renewed = await world.door.renew(caller, 4)
    assert renewed.epoch == 4
    world.keys.put(SECRET, epoch=0, status="deleted")
    with pytest.raises(ApiKeyInvalid) as gone:
        await world.door.renew(renewed, 5)
    with pytest.raises(ApiKeyInvalid) as invalid:
        await world.call()
    assert gone.value.message == invalid.value.message


async def test_an_invalidated_key_is_read_again(world: World) -> None:
    world.keys.put(SECRET)
    caller = await world.call()
    world.door.invalidate(caller.api_key.key_hash)
    await world.call()
    assert world.keys.finds == 2


@pytest.mark.parametrize("failure", [StoreUnavailable("x"), StoreThrottled("x"), OutcomeUnknown("x")])
async def test_a_single_failure_of_a_look_up_is_not_the_callers(world: World, failure: StoreError) -> None:
    world.keys.put(SECRET)
    world.keys.failure, world.keys.failures_left = failure, 1
    assert (await world.call()).account_id == "a1"
    assert world.keys.finds == 2


async def test_a_look_up_that_fails_again_is_refused_after_two_reads(world: World) -> None:
    world.keys.failure = OutcomeUnknown("lost")
    with pytest.raises(LedgerUnavailable):
        await world.call()
    assert world.keys.finds == 2


@pytest.mark.virtual_time
async def test_a_look_up_and_its_repetition_end_within_two_seconds(world: World) -> None:
    world.keys.gate.clear()
    clock = asyncio.get_running_loop()
    asked_s = clock.time()
    with pytest.raises(LedgerUnavailable) as caught:
        await world.call()
    assert clock.time() - asked_s == READ_S
    assert caught.value.retry_after_s == 1


async def test_a_look_up_that_is_refused_for_good_is_not_repeated(world: World) -> None:
    world.keys.failure = RequestRejected("access denied")
    with pytest.raises(LedgerUnavailable):
        await world.call()
    assert world.keys.finds == 1
