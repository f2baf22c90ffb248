"""The catalog of a process: one reading a minute, and a stale copy rather than an outage."""

import asyncio

import pytest

from multiconnection.catalog.models import CatalogError
from multiconnection.errors import LedgerUnavailable, ModelNotFound
from multiconnection.retry import StoreUnavailable
from tests.support.chat_world import ChatWorld, a_model

pytestmark = pytest.mark.virtual_time


DOWN = StoreUnavailable("no answer")


async def test_it_is_read_once_a_minute_however_many_ask() -> None:
    world = ChatWorld()
    await asyncio.gather(*(world.catalog.catalog() for _ in range(50)))
    await asyncio.sleep(59)
    await world.catalog.catalog()
    assert world.models.readings == 1
    await asyncio.sleep(1)
    await asyncio.gather(*(world.catalog.catalog() for _ in range(50)))
    assert world.models.readings == 2


@pytest.mark.parametrize("failure", [DOWN, CatalogError("no price")], ids=["unreadable", "broken"])
async def test_a_stale_copy_serves_while_the_table_is_down_and_every_failure_is_an_alarm(failure: Exception) -> None:
    world = ChatWorld()
    await world.catalog.catalog()
    world.models.failure = failure
    await asyncio.sleep(60)
    assert (await world.catalog.find("m-1")).id == "m-1"
    assert world.alarms.raised == ["catalog_unreadable"]
    await asyncio.sleep(1)
    world.models.failure = None
    world.models.found = [a_model(price_version=8)]
    assert (await world.catalog.find("m-1")).price_version == 8


async def test_without_any_copy_nothing_is_served() -> None:
    world = ChatWorld()
    world.models.failure = DOWN
    with pytest.raises(LedgerUnavailable) as caught:
        await world.catalog.catalog()
    assert caught.value.headers()["retry-after"] == "2"
    world.models.failure = None
    await asyncio.sleep(1)
    assert await world.catalog.served()


async def test_entries_that_clash_are_not_taken_over() -> None:
    world = ChatWorld(a_model(), a_model(id="m-2"))
    with pytest.raises(LedgerUnavailable):
        await world.catalog.catalog()


async def test_models_answer_to_id_and_alias() -> None:
    world = ChatWorld()
    assert await world.catalog.find("m-1-latest") is await world.catalog.find("m-1")


@pytest.mark.parametrize("name", ["m-2", "M-1", "", "m-1 ", "x" * 10_000])
async def test_an_unknown_model_is_not_found_and_not_echoed_at_length(name: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        await ChatWorld().catalog.find(name)
    assert caught.value.param == "model"
    assert f"`{name[:128]}`" in caught.value.message
    assert len(caught.value.message) < 300


async def test_a_model_without_a_configured_provider_is_not_there() -> None:
    world = ChatWorld(a_model(), a_model(id="m-2", code="m02", aliases=[], upstreams=[{"provider": "x", "model": "m"}]))
    assert [model.id for model in await world.catalog.served()] == ["m-1"]
    with pytest.raises(ModelNotFound):
        await world.catalog.find("m-2")
    assert await world.catalog.model_name("m02") == "m-2"


async def test_upstreams_come_in_order_and_only_configured_ones() -> None:
    world = ChatWorld()
    assert [ref.provider for ref in world.catalog.upstreams(a_model())] == ["one", "two"]
    del world.providers["one"]
    assert [ref.provider for ref in world.catalog.upstreams(a_model())] == ["two"]
    assert world.catalog.provider("two").name == "two"


async def test_a_code_that_the_catalog_has_forgotten_stands_for_itself() -> None:
    world = ChatWorld()
    assert [await world.catalog.model_name(code) for code in ("m01", "zzz")] == ["m-1", "zzz"]
    dark = ChatWorld()
    dark.models.failure = DOWN
    assert await dark.catalog.model_name("m01") == "m01"
