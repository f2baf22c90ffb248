"""Providers: the switch takes one out of routing within the catalog's cache time; health is what the metrics tell."""

import asyncio

import pytest

from multiconnection.catalog.health import ProviderFigures
from multiconnection.errors import NoAvailableUpstream
from multiconnection.retry import StoreUnavailable
from tests.support.admin_world import ADMIN, AdminApp, AdminWorld
from tests.support.chat_world import an_entry

pytestmark = pytest.mark.virtual_time


async def published() -> tuple[AdminWorld, AdminApp]:
    world = AdminWorld()
    await world.publish(
        an_entry(), an_entry(id="m-2", code="m02", aliases=[], upstreams=[{"provider": "two", "model": "m-2"}])
    )
    return world, AdminApp(world)


async def test_every_provider_is_shown_configured_or_not() -> None:
    world, app = await published()
    world.metrics.found = {"one": ProviderFigures(95, 5, 1234), "two": ProviderFigures(1, 9, 90)}
    assert (await app.get("providers"))["data"] == [
        {
            "object": "provider",
            "name": "one",
            "configured": True,
            "enabled": True,
            "health": {"state": "ok", "answers": 95, "errors": 5, "p90_ms": 1234},
            "models": 1,
        },
        {
            "object": "provider",
            "name": "two",
            "configured": True,
            "enabled": True,
            "health": {"state": "down", "answers": 1, "errors": 9, "p90_ms": 90},
            "models": 2,
        },
        {
            "object": "provider",
            "name": "three",
            "configured": False,
            "enabled": True,
            "health": {"state": "unknown", "answers": 0, "errors": 0, "p90_ms": None},
            "models": 0,
        },
    ]


@pytest.mark.parametrize(
    ("answers", "errors", "state"),
    [(0, 0, "unknown"), (1, 0, "ok"), (1, 1, "degraded"), (0, 4, "degraded"), (0, 5, "down"), (5, 5, "down"),
     (6, 4, "degraded"), (9, 1, "degraded"), (91, 9, "ok")],
)  # fmt: skip
async def test_health_is_the_share_of_attempts_that_failed(answers: int, errors: int, state: str) -> None:
    world, app = await published()
    world.metrics.found = {"one": ProviderFigures(answers, errors)}
    assert (await app.get("providers"))["data"][0]["health"]["state"] == state


async def test_metrics_are_read_once_a_minute_and_nobody_fails_without_them() -> None:
    world, app = await published()
    world.metrics.down = True
    for _ in range(3):
        assert {each["health"]["state"] for each in (await app.get("providers"))["data"]} == {"unknown"}
    assert world.metrics.readings == 1
    world.metrics.down, world.metrics.found = False, {"one": ProviderFigures(5)}
    await asyncio.sleep(60)
    assert (await world.providers.provider_health.states())["one"] == "ok"


async def test_a_provider_that_is_switched_off_gets_no_call_after_a_minute() -> None:
    world, app = await published()
    model = await world.catalog.find("m-1")
    assert [ref.provider for ref in world.catalog.upstreams(model)] == ["one", "two"]
    off = await app.post("providers/one/disable", {"reason": "slow"})
    assert (off["enabled"], off["configured"]) == (False, True)
    await asyncio.sleep(60)
    model = await world.catalog.find("m-1")
    assert [ref.provider for ref in world.catalog.upstreams(model)] == ["two"]
    assert (await app.post("providers/one/enable"))["enabled"] is True
    await asyncio.sleep(60)
    model = await world.catalog.find("m-1")
    assert [ref.provider for ref in world.catalog.upstreams(model)] == ["one", "two"]
    log = (await app.get("audit"))["data"]
    assert [(entry["action"], entry["subject"], entry["before"], entry["after"]) for entry in log] == [
        ("provider.enable", "one", {"enabled": False}, {"enabled": True}),
        ("provider.disable", "one", {"enabled": True}, {"enabled": False}),
    ]


async def test_a_model_whose_providers_are_all_off_is_out_of_service_and_not_unknown() -> None:
    world, app = await published()
    await app.post("providers/two/disable")
    with pytest.raises(NoAvailableUpstream) as caught:
        await world.catalog.find("m-2")
    assert caught.value.headers() == {"retry-after": "60"}
    assert [model.id for model in await world.catalog.served()] == ["m-1"]


async def test_switches_that_cannot_be_read_stay_as_they_were() -> None:
    world, app = await published()
    await app.post("providers/one/disable")
    model = await world.catalog.find("m-1")
    await asyncio.sleep(60)
    world.driver.fail("Query", StoreUnavailable("no answer"), times=2)
    await world.catalog.find("m-1")
    assert world.alarms.raised == ["catalog_unreadable"]
    assert [ref.provider for ref in world.catalog.upstreams(model)] == ["two"]


async def test_a_switch_that_stands_so_is_not_moved_and_not_logged() -> None:
    world, app = await published()
    for _ in range(2):
        await app.post("providers/one/disable")
    await app.post("providers/two/enable")
    assert await world.actions() == ["provider.disable"]


async def test_two_who_move_a_switch_at_once_are_logged_once() -> None:
    world, _ = await published()
    providers = world.providers
    moves = [providers.set_enabled(ADMIN, "one", enabled=False) for _ in range(3)]
    await asyncio.gather(*moves, return_exceptions=True)
    assert await world.actions() == ["provider.disable"]


async def test_a_provider_that_nobody_knows() -> None:
    _, app = await published()
    assert (await app.refused("providers/four/disable"))[:2] == (404, "provider_not_found")
