"""Prices change as new versions under the eyes of whoever changes them; models go out of service and come back."""

import asyncio
from typing import Any

import pytest

from multiconnection.catalog.models import CatalogError, HeadChanged
from multiconnection.catalog.schemas import PriceBody
from multiconnection.catalog.service import PriceBook
from multiconnection.catalog.store import CatalogTable
from multiconnection.errors import ModelNotFound
from multiconnection.retry import StoreThrottled
from tests.support.admin_world import ADMIN, SECOND, AdminApp, AdminWorld
from tests.support.chat_world import an_entry

pytestmark = pytest.mark.virtual_time


PRICES = {"input": "1.00", "cached_input": "0.25", "output": "2.00"}
LONG: dict[str, Any] = {
    "above_input_tokens": 1000,
    "prices": {"input": "2.00", "cached_input": "0.50", "output": "4.00"},
}
IMAGES = {"1024x1024": {"high": "0.04"}}


def body(base_version: int = 7, /, **prices: Any) -> dict[str, Any]:
    return {"prices": PRICES | prices, "base_version": base_version}


async def published(*entries: dict[str, Any]) -> tuple[AdminWorld, AdminApp]:
    world = AdminWorld()
    await world.publish(*entries)
    return world, AdminApp(world)


async def test_a_new_version_is_current_and_the_old_one_stays_as_it_was() -> None:
    world, app = await published()
    before = await world.catalog.find("m-1")
    changed = await app.post("models/m-1/prices", body(output="2.50") | {"reason": "their new list"})
    assert (changed["version"], changed["dry_run"]) == (8, False)
    assert changed["diff"] == [{"kind": "output", "old": "2.00", "new": "2.50", "percent": 25.0}]
    # A process keeps its catalog for a minute; calls that run keep theirs for ever.
    assert (await world.catalog.find("m-1")) is before
    await asyncio.sleep(60)
    assert (await world.catalog.find("m-1")).prices.units["output"] == 2_500_000
    versions = CatalogTable(world.driver, "catalog")
    old, new = await versions.version("m-1", 7), await versions.version("m-1", 8)
    assert (old, new) == (an_entry(), an_entry(price_version=8, prices=body(output="2.50")["prices"]))
    shown = await app.get("models/m-1")
    assert shown["price_version"] == 8
    assert [(each["version"], each["created_by"]) for each in shown["versions"]] == [(7, None), (8, ADMIN.email)]
    (entry,) = (await app.get("audit"))["data"]
    assert (entry["action"], entry["subject"], entry["reason"]) == ("model.price", "m-1", "their new list")
    assert entry["before"] == {"price_version": 7, "prices": PRICES}
    assert entry["after"] == {"price_version": 8, "prices": PRICES | {"output": "2.50"}}


async def test_a_dry_run_tells_and_changes_nothing() -> None:
    world, app = await published()
    before = world.driver.driver.snapshot()  # type: ignore[attr-defined]
    told = await app.post("models/m-1/prices?dry_run=true", body(input="0.00", output="40"))
    assert told["diff"] == [
        {"kind": "input", "old": "1.00", "new": "0.00", "percent": -100.0},
        {"kind": "output", "old": "2.00", "new": "40", "percent": 1900.0},
    ]
    assert (told["dry_run"], told["version"], told["needs_confirmation"]) == (True, 8, True)
    assert world.driver.driver.snapshot() == before  # type: ignore[attr-defined]


async def test_whoever_looked_at_an_older_version_is_refused() -> None:
    _, app = await published()
    await app.post("models/m-1/prices", body(output="2.50"))
    for wish in (body(output="3.00"), body(9, output="3.00")):
        status, code, error = await app.refused("models/m-1/prices", wish)
        assert (status, code, error["price_version"]) == (409, "price_version_conflict", 8)
    assert (await app.post("models/m-1/prices", body(8, output="3.00")))["version"] == 9


@pytest.mark.parametrize(
    "other",
    [
        {"prices": PRICES | {"output": "3.00"}},
        {"long_context": LONG | {"above_input_tokens": 2000}},
        {"long_context": LONG | {"prices": LONG["prices"] | {"output": "40.00"}}},
        {"cost_prices": {"output": "0.10"}},
    ],
    ids=str,
)
async def test_a_published_version_never_gets_other_prices(other: dict[str, Any]) -> None:
    world, _ = await published(an_entry(long_context=LONG))
    with pytest.raises(CatalogError, match="published with other prices"):
        await world.publish(an_entry(long_context=LONG) | other)
    found = await CatalogTable(world.driver, "catalog").version("m-1", 7)
    assert found == an_entry(long_context=LONG)


async def test_of_two_who_publish_at_once_one_wins() -> None:
    world, app = await published()
    models = world.prices
    bodies = [PriceBody(prices=PRICES | {"output": price}, base_version=7) for price in ("2.10", "2.20", "2.30")]
    results = await asyncio.gather(
        *(models.publish(who, "m-1", each) for who, each in zip((ADMIN, SECOND, ADMIN), bodies, strict=True)),
        return_exceptions=True,
    )
    assert len([result for result in results if not isinstance(result, Exception)]) == 1
    assert [each["version"] for each in (await app.get("models/m-1"))["versions"]] == [7, 8]
    assert await world.actions() == ["model.price"]


async def test_a_lost_answer_makes_no_second_version_and_a_failure_none() -> None:
    world, app = await published()
    world.driver.lose_reply("TransactWriteItems", times=2)
    assert (await app.post("models/m-1/prices", body(output="2.50")))["version"] == 8
    world.driver.fail("TransactWriteItems", StoreThrottled("busy"), times=5)
    assert (await app.refused("models/m-1/prices", body(8, output="3.00")))[0] == 503
    assert [each["version"] for each in (await app.get("models/m-1"))["versions"]] == [7, 8]
    assert await world.actions() == ["model.price"]


@pytest.mark.parametrize("prices", [{"output": "20.01"}, {"output": "0.19"}, {"output": "0"}, {"cache_write": "1.00"}])
async def test_a_change_of_more_than_tenfold_or_a_new_price_has_to_be_meant(prices: dict[str, str]) -> None:
    world, app = await published()
    status, code, error = await app.refused("models/m-1/prices", body(**prices))
    assert (status, code, error["param"]) == (409, "confirmation_required", "confirm")
    assert error["diff"][0]["kind"] in prices
    assert await world.actions() == []
    assert (await app.post("models/m-1/prices", body(**prices) | {"confirm": True}))["version"] == 8


@pytest.mark.parametrize("price", ["20.00", "0.20"])
async def test_tenfold_itself_needs_no_confirmation(price: str) -> None:
    _, app = await published()
    assert not (await app.post("models/m-1/prices", body(output=price)))["needs_confirmation"]


@pytest.mark.parametrize(
    "prices",
    [
        PRICES | {"output": "-1"},
        PRICES | {"output": "NaN"},
        PRICES | {"output": "1e2"},
        PRICES | {"output": 2},
        PRICES | {"output": 2.5},
        PRICES | {"output": None},
        PRICES | {"output": True},
        PRICES | {"output": ""},
        PRICES | {"output": "0.0000001"},
        PRICES | {"output": {"low": "1"}},
        PRICES | {"reasoning": "1"},
        PRICES | {"milliseconds": "1"},
        PRICES | {"outputs": "1"},
        PRICES | {"images": "1"},
        PRICES | {"images": {}},
        PRICES | {"long_context": {"output": "9"}},
        {"input": "1.00", "output": "2.00"},
        {},
        {"images": {"a": {"b": {"c": {"d": "1"}}}}},
        PRICES,
    ],
)
async def test_prices_that_are_none(prices: dict[str, Any]) -> None:
    world, app = await published()
    wish = {"prices": prices, "base_version": 7, "confirm": True}
    assert (await app.refused("models/m-1/prices", wish))[0] == 400
    assert await world.actions() == []


@pytest.mark.parametrize("changed", [{"base_version": "7"}, {"confirm": "yes"}, {"price": {}}, {"prices": []}])
async def test_a_body_that_is_none(changed: dict[str, Any]) -> None:
    _, app = await published()
    assert (await app.refused("models/m-1/prices", body(output="3") | changed))[0] == 400


async def test_prices_of_long_prompts_and_of_images_change_by_their_paths() -> None:
    _, app = await published(
        an_entry(long_context=LONG),
        an_entry(id="org/draw", code="m02", aliases=[], kind="image", prices={"images": IMAGES}, images={}),
    )
    shown = (await app.get("models/m-1"))["prices"]
    assert shown == PRICES | {"long_context": LONG["prices"]}
    cheaper = {**shown, "long_context": {**shown["long_context"], "output": "3.00"}}
    changed = await app.post("models/m-1/prices", {"prices": cheaper, "base_version": 7})
    assert changed["diff"] == [{"kind": "long_context.output", "old": "4.00", "new": "3.00", "percent": -25.0}]
    # A bound taken at the prices of long prompts has to hold for short ones.
    broken = {**shown, "long_context": {**shown["long_context"], "output": "1.00"}}
    status, _, error = await app.refused("models/m-1/prices", {"prices": broken, "base_version": 8})
    assert (status, error["param"]) == (400, "prices")
    dearer = {"images": {"1024x1024": {"high": "0.05"}}}
    changed = await app.post("models/org/draw/prices", {"prices": dearer, "base_version": 7})
    assert changed["diff"][0] | {"percent": 0} == {
        "kind": "images.1024x1024.high",
        "old": "0.04",
        "new": "0.05",
        "percent": 0,
    }


async def test_what_it_costs_upstream_is_kept_with_the_version_and_carried_on() -> None:
    _, app = await published()
    costs = {"input": "0.80", "output": "1.50"}
    changed = await app.post("models/m-1/prices", {**body(), "cost_prices": costs})
    assert changed["diff"] == []
    assert [each["kind"] for each in changed["cost_diff"]] == ["input", "output"]
    await app.post("models/m-1/prices", body(8, output="2.20"))
    assert [each["cost_prices"] for each in (await app.get("models/m-1"))["versions"]] == [None, costs, costs]
    refused = await app.refused("models/m-1/prices", {**body(9), "cost_prices": {"input": "-1"}})
    assert refused[0] == 400


async def test_a_disabled_model_is_gone_within_a_minute_and_its_running_calls_keep_their_name_and_price() -> None:
    world, app = await published()
    running = await world.catalog.find("m-1")
    assert (await app.post("models/m-1/disable", {"reason": "retired"}))["enabled"] is False
    await asyncio.sleep(60)
    with pytest.raises(ModelNotFound):
        await world.catalog.find("m-1")
    assert await world.catalog.model_name("m01") == "m-1"
    row = await world.called(1_800_000_000)
    priced = await PriceBook(CatalogTable(world.driver, "catalog")).of([row])
    assert priced == {("m-1", 7): running}
    assert [(each["id"], each["enabled"]) for each in (await app.get("models"))["data"]] == [("m-1", False)]
    await app.post("models/m-1/enable")
    await asyncio.sleep(60)
    assert await world.catalog.find("m-1") == running
    assert await world.actions() == ["model.disable", "model.enable"]


async def test_enabling_what_is_enabled_changes_nothing() -> None:
    world, app = await published()
    assert (await app.post("models/m-1/enable"))["enabled"] is True
    assert await world.actions() == []


async def test_publishing_the_catalog_file_again_keeps_a_model_disabled() -> None:
    world, app = await published()
    await app.post("models/m-1/disable")
    await world.publish(an_entry(name="Another name"))
    assert (await app.get("models/m-1"))["enabled"] is False


@pytest.mark.parametrize("path", ["models/none/prices", "models/none/enable"])
async def test_a_model_that_is_not_there(path: str) -> None:
    _, app = await published()
    wish = body(output="3") if path.endswith("prices") else None
    assert (await app.refused(path, wish))[:2] == (404, "model_not_found")


async def test_a_version_that_exists_is_never_written_over() -> None:
    world, _ = await published()
    table = world.published
    head = await table.head("m-1")
    assert head is not None
    log = world.entries.of("a", "model.price", "m-1", {}, {})
    with pytest.raises(HeadChanged):
        await table.add_version(head, an_entry(prices=PRICES | {"output": "9"}), log)
    assert (await table.versions("m-1"))[0].entry == an_entry()
