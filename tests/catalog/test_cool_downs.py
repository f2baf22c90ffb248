"""Cool-downs shared between processes: through the catalog table, bounded, never more than an order of preference."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from multiconnection.calls.pipeline import Router
from multiconnection.calls.upstream import UpstreamError
from multiconnection.catalog.models import Provider, UpstreamRef
from multiconnection.catalog.service import CLOCK_SKEW_S, COOL_DOWN_MAX_S, SHARE_TIMEOUT_S, CatalogService
from multiconnection.catalog.store import COOL_DOWNS, COOL_DOWNS_MAX, CatalogTable
from multiconnection.providers.errors import ConnectFailed, ConnectTimedOut, status_error, transport_error
from multiconnection.retry import OutcomeUnknown, StoreThrottled
from multiconnection.usage import Attempts
from tests.support.chat_world import Alarms, Models, a_model
from tests.support.fake_upstream import a_provider, failed
from tests.support.limit_world import WatchedDriver
from tests.support.virtual_time import START_S, LoopClock
from tools.memory_dynamo.driver import MemoryDynamo, TableKeys

pytestmark = pytest.mark.virtual_time

CACHE_S = 60.0
ONE, TWO = UpstreamRef("one", "m-1-one"), UpstreamRef("two", "m-1-two")
MODEL = a_model()


@dataclass
class SkewedClock:
    ahead_s: float = 0.0
    true: LoopClock = field(default_factory=LoopClock)

    def now(self) -> float:
        return self.true.now() + self.ahead_s


@dataclass
class Fleet:
    """Processes over one catalog table. `down` are providers that take no connection, and `tried` all attempts."""

    memory: MemoryDynamo = field(default_factory=lambda: MemoryDynamo({"catalog": TableKeys("pk", "sk")}))
    down: set[str] = field(default_factory=set)
    tried: list[str] = field(default_factory=list)
    writes: int = 0
    reads: int = 0

    def process(self, ahead_s: float = 0.0, shares: bool = True) -> "Process":
        return Process(self, SkewedClock(ahead_s), shares)

    async def call(self, operation: str, payload: Any) -> dict[str, Any]:
        self.writes += operation == "UpdateItem"
        self.reads += operation == "Query"
        return await self.memory.call(operation, payload)

    async def write(self, name: str, **attributes: Any) -> None:
        item = {"pk": {"S": COOL_DOWNS}, "sk": {"S": name}, **attributes}
        await self.memory.call("PutItem", {"TableName": "catalog", "Item": item})

    def items(self) -> dict[str, float]:
        """Seconds from the beginning of the test, by name."""
        return {item["sk"]["S"]: int(item["until_ms"]["N"]) / 1000 - START_S for item in self.memory.items("catalog")}


class Process:
    def __init__(self, fleet: Fleet, clock: SkewedClock, shares: bool) -> None:
        self.fleet = fleet
        self.driver = WatchedDriver(fleet)
        self.models = Models(MODEL)
        self.models.cooling = CatalogTable(self.driver, "catalog") if shares else None
        self.alarms = Alarms()
        self.providers = {name: a_provider(name) for name in ("one", "two")}
        self.catalog = CatalogService(self.models, self.providers, clock, self.alarms, CACHE_S)
        self.router = Router(self.catalog, clock)

    async def tries(self, *errors: UpstreamError | None) -> list[str]:
        """The providers that a call tries; each fails with the next error, or as the fleet has it."""
        model, left, tried = await self.catalog.find("m-1"), list(errors), []

        async def attempt(provider: Provider, ref: UpstreamRef) -> None:
            tried.append(provider.name)
            self.fleet.tried.append(provider.name)
            error = left.pop(0) if left else None
            if provider.name in self.fleet.down:
                await asyncio.sleep(provider.connect_timeout_s)
                error = transport_error(ConnectTimedOut(""))
            if error is not None:
                raise error

        with suppress(UpstreamError):
            await self.router.call(model, Attempts(), attempt)
        await asyncio.sleep(0.1)
        return tried


def refused_key() -> UpstreamError:
    return status_error(401, {}, b"", a_provider("one"))


def unreachable() -> UpstreamError:
    return transport_error(ConnectFailed(""))


def limited(seconds: int) -> UpstreamError:
    return status_error(429, {"retry-after": str(seconds)}, b"", a_provider("one"))


async def test_another_process_leaves_a_provider_alone_that_refused_our_key() -> None:
    fleet = Fleet()
    here = fleet.process()
    assert await here.tries(refused_key()) == ["one", "two"]
    assert fleet.items() == {"one#m-1-one": 60}
    assert await fleet.process().tries() == ["two"]


async def test_it_is_known_when_the_catalog_is_next_read_and_costs_no_read_of_a_call() -> None:
    fleet = Fleet()
    here, there = fleet.process(), fleet.process()
    assert await there.tries() == ["one"]
    assert fleet.reads == 1
    await asyncio.sleep(30)
    await here.tries(refused_key())
    for _ in range(20):
        assert await there.tries() == ["one"]
    assert fleet.reads == 2  # one for each process
    await asyncio.sleep(30)
    assert await there.tries() == ["two"]
    assert fleet.reads == 3


async def test_it_ends_for_all_by_itself() -> None:
    fleet = Fleet()
    await fleet.process().tries(limited(30))
    there = fleet.process()
    assert await there.tries() == ["two"]
    await asyncio.sleep(30)
    assert await there.tries() == ["one"]
    assert await fleet.process().tries() == ["one"]


async def test_that_a_provider_cannot_be_reached_is_shared_after_the_second_time_and_for_all_of_its_models() -> None:
    fleet = Fleet()
    here = fleet.process()
    await here.tries(unreachable())
    assert fleet.items() == {}
    await asyncio.sleep(10)
    await here.tries(unreachable())
    assert fleet.items() == {"one#": pytest.approx(COOL_DOWN_MAX_S + 10, abs=1)}
    there = fleet.process()
    await there.catalog.catalog()
    other = UpstreamRef("one", "another-model")
    assert there.catalog.cool_downs.active([ONE, TWO, other]) == {ONE, other}


@pytest.mark.parametrize("between", [None, failed()], ids=["an answer", "an error that it answered"])
async def test_a_provider_that_answered_in_between_is_not_out_of_reach(between: UpstreamError | None) -> None:
    fleet = Fleet()
    here = fleet.process()
    for error in (unreachable(), between, unreachable()):
        await here.tries(error)
        await asyncio.sleep(10)
    assert fleet.items() == {}


@pytest.mark.parametrize(
    "error",
    [
        failed(cool_down_s=5),
        limited(9),
        status_error(500, {}, b"", a_provider("one")),
        status_error(400, {}, b"", a_provider("one")),
        status_error(404, {}, b"", a_provider("one")),
    ],
    ids=["short", "limited for a moment", "500", "400", "404"],
)
async def test_what_one_request_may_have_caused_or_is_soon_over_is_not_shared(error: UpstreamError) -> None:
    fleet = Fleet()
    here = fleet.process()
    for _ in range(3):
        await here.tries(error)
        await asyncio.sleep(10)
    assert fleet.writes == 0


async def test_a_process_writes_once_in_a_period_however_many_calls_fail() -> None:
    fleet = Fleet()
    here = fleet.process()
    for _ in range(50):
        await here.tries(refused_key(), refused_key())
    assert fleet.writes == 2
    assert fleet.items().keys() == {"one#m-1-one", "two#m-1-two"}
    await asyncio.sleep(COOL_DOWN_MAX_S)
    await here.tries(refused_key())
    assert fleet.writes == 3


async def test_a_process_that_knows_of_it_does_not_write_it_again() -> None:
    fleet = Fleet()
    await fleet.process().tries(refused_key())
    there = fleet.process()
    await there.catalog.catalog()
    await there.tries(refused_key(), refused_key())
    assert fleet.writes == 2  # and "two", which was new


async def test_the_longer_one_stays() -> None:
    fleet = Fleet()
    here, there = fleet.process(), fleet.process()
    await there.catalog.catalog()
    await here.tries(refused_key())
    await there.tries(limited(10))
    assert fleet.writes == 2
    assert fleet.items() == {"one#m-1-one": 60}


async def test_a_model_with_one_provider_is_tried_as_ever() -> None:
    fleet = Fleet()
    await fleet.process().tries(refused_key())
    there = fleet.process()
    del there.providers["two"]
    assert await there.tries() == ["one"]


async def test_when_all_are_cooling_down_the_order_is_the_catalogs() -> None:
    fleet = Fleet()
    await fleet.process().tries(refused_key(), refused_key())
    assert await fleet.process().tries() == ["one"]


@pytest.mark.parametrize(
    "value",
    [
        {"N": str(int((START_S + COOL_DOWN_MAX_S + CLOCK_SKEW_S + 1) * 1000))},
        {"N": str(int(START_S * 1000))},
        {"N": "9" * 38},
        {"N": "1E+125"},
        {"N": "-1"},
        {"N": "0.5"},
        {"S": "tomorrow"},
        {"BOOL": True},
        {"NULL": True},
    ],
    ids=repr,
)
async def test_a_value_that_no_process_of_ours_writes_changes_nothing(value: dict[str, Any]) -> None:
    fleet = Fleet()
    await fleet.write("one#", until_ms=value)
    await fleet.write("two#")
    there = fleet.process()
    assert await there.tries() == ["one"]
    assert there.alarms.raised == []


async def test_a_value_from_a_wrong_clock_is_replaced() -> None:
    fleet = Fleet()
    await fleet.process(ahead_s=3600).tries(refused_key())
    assert fleet.items() == {"one#m-1-one": 3660}
    here = fleet.process()
    assert await here.tries() == ["one"]
    await here.tries(refused_key())
    assert fleet.items()["one#m-1-one"] == pytest.approx(60, abs=1)


async def test_a_clock_that_is_a_little_ahead_never_makes_a_cool_down_longer() -> None:
    fleet = Fleet()
    await fleet.process(ahead_s=4).tries(refused_key())
    there = fleet.process()
    assert await there.tries() == ["two"]
    assert max(there.catalog.cool_downs.shared.values()) <= START_S + COOL_DOWN_MAX_S + 0.2


async def test_a_process_whose_clock_is_late_shares_what_is_over_and_harms_nobody() -> None:
    fleet = Fleet()
    await fleet.process(ahead_s=-300).tries(refused_key())
    assert await fleet.process().tries() == ["one"]


async def test_a_provider_or_model_that_is_gone_is_ignored() -> None:
    fleet = Fleet()
    until = {"N": str(int((START_S + 30) * 1000))}
    for name in ("former#", "one#former-model", "one", "", "#", "one#m-1-one#x", "provider#one"):
        if name:
            await fleet.write(name, until_ms=until)
    there = fleet.process()
    await there.catalog.catalog()
    # "one" without a model is the whole provider.
    assert there.catalog.cool_downs.active([ONE, TWO]) == {ONE}


async def test_more_items_than_can_be_are_not_read() -> None:
    fleet = Fleet()
    until = {"N": str(int((START_S + 30) * 1000))}
    for number in range(COOL_DOWNS_MAX + 50):
        await fleet.write(f"x{number:04d}#", until_ms=until)
    there = fleet.process()
    await there.catalog.catalog()
    assert fleet.reads == 1
    assert len(there.catalog.cool_downs.shared) <= COOL_DOWNS_MAX


async def test_many_that_end_one_after_the_other_do_not_make_the_catalog_be_read_all_the_time() -> None:
    fleet = Fleet()
    for number in range(60):
        await fleet.write(f"x{number}#", until_ms={"N": str(int((START_S + number) * 1000))})
    there = fleet.process()
    for _ in range(60):
        await there.catalog.catalog()
        await asyncio.sleep(1)
    assert fleet.reads <= 13


@pytest.mark.parametrize("failure", [StoreThrottled("slow down"), OutcomeUnknown("no answer")], ids=["429", "time-out"])
async def test_a_table_that_does_not_answer_changes_nothing_for_the_caller(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    fleet = Fleet()
    here = fleet.process()
    here.driver.failure = failure  # type: ignore[assignment]
    assert await here.tries(refused_key()) == ["one", "two"]
    assert await here.tries() == ["two"]
    assert {record.message for record in caplog.records} == {"cool_downs_unreadable", "cool_down_not_shared"}


async def test_a_write_that_hangs_is_given_up_and_nobody_waits_for_it(caplog: pytest.LogCaptureFixture) -> None:
    fleet = Fleet()
    here = fleet.process()
    await here.catalog.catalog()

    async def hang(*_: object) -> bool:
        await asyncio.sleep(3600)
        return True

    here.models.share_cool_down = hang  # type: ignore[method-assign, assignment]
    before = asyncio.get_running_loop().time()
    assert await here.tries(refused_key()) == ["one", "two"]
    assert asyncio.get_running_loop().time() - before < 0.2
    await asyncio.sleep(SHARE_TIMEOUT_S)
    assert [record.message for record in caplog.records] == ["cool_down_not_shared"]


async def test_a_process_that_stops_leaves_no_write_behind() -> None:
    fleet = Fleet()
    here = fleet.process()
    await here.catalog.catalog()
    here.catalog.cool_downs.begin(ONE, 60, unreachable=False)
    await here.catalog.cool_downs.aclose()
    assert len(asyncio.all_tasks()) == 1


async def slow_share(*, every_s: float, shares: bool) -> tuple[float, int]:
    """200 processes in ten minutes of an outage: the share of calls that waited for the dead provider, and writes."""
    processes, seconds = 200, 600
    fleet = Fleet(down={"one"})

    async def life(number: int) -> None:
        process = fleet.process(shares=shares)
        await asyncio.sleep(every_s * number / processes)
        for _ in range(int(seconds / every_s)):
            if not shares:
                # Without sharing, no failure is the second.
                process.catalog.cool_downs.unreachable.clear()
            began = asyncio.get_running_loop().time()
            assert (await process.tries())[-1] == "two"
            await asyncio.sleep(max(0.0, every_s - (asyncio.get_running_loop().time() - began)))

    await asyncio.gather(*(life(number) for number in range(processes)))
    return round(fleet.tried.count("one") / fleet.tried.count("two"), 2), fleet.writes


@pytest.mark.parametrize(("every_s", "alone", "shared"), [(3, 0.25, 0.04), (10, 0.50, 0.05), (30, 1.0, 0.11)])
async def test_many_processes_rediscover_a_dead_provider_less_often(
    every_s: float, alone: float, shared: float
) -> None:
    """The figures of docs/operations.md."""
    assert await slow_share(every_s=every_s, shares=False) == (alone, 0)
    share, writes = await slow_share(every_s=every_s, shares=True)
    assert share == shared
    # Of the most that is possible, a write of each process in each minute.
    assert writes <= 200 * 10


def test_the_time_outs_fit() -> None:
    """What can be shared at all lasts at most as long as what is believed."""
    errors: Sequence[UpstreamError] = [
        refused_key(),
        unreachable(),
        limited(9999),
    ]
    assert max(error.cool_down_s for error in errors) <= COOL_DOWN_MAX_S
