"""Ids and queries with tricks in them: never a failure, never another route's data, never a write."""

import pytest

from tests.audience.answers import assert_sound
from tests.audience.bodies import good
from tests.audience.declared import DECLARED, ROUTES, Route, routes_for
from tests.audience.scene import filled, parameters, scene
from tests.audience.test_let_in import headers_of

TRICKS = [
    "%2e%2e", "..%2f..%2fadmin", "%2e%2e%2forders", "a%2fb", "%00", "%0d%0aset-cookie:%20x=y", "%ff%fe", "%20", "*",
    "'", "%22", "%27%20or%201=1", "%24%7bjndi%7d", "{key_id}%00", "{key_id}%20", "{key_id}.", "{order_id}%0a",
    "{request_id}%0a", "token%23x", "ref%23x", "SWITCH", "HEAD", "x" * 3000, "%f0%9f%94%91", "0", "-1", "null",
    "session", "options", "summary",
]  # fmt: skip
WITH_PARAMETERS = [route for route in ROUTES if parameters(route.path) and route.function != "site"]
QUERIES = [
    "limit=0", "limit=-1", "limit=101", "limit=x", "limit=1e2", "limit=", "limit=1&limit=2", f"limit={'9' * 400}",
    "cursor=x", "cursor=", f"cursor={'x' * 5000}", "cursor=%00", "cursor=..", "cursor=ord_%0a", "cursor=a.",
    "cursor=p.x", f"cursor={'9' * 15}.x", "cursor=%d9%a1.x", "from=-1", "from=x", "to=0", "from=5&to=5",
    f"from={10**20}", f"to={10**12}", "from=1&to=2", "tz_offset_min=841", "tz_offset_min=-841", "tz_offset_min=x",
    "group=nothing", "group=", "ended=maybe", "session=maybe", "model=", f"model={'x' * 300}", f"key_id={'x' * 300}",
    "model=%00", "key_id=%27", "status=credited", "status=nothing", f"query={'x' * 300}",
    "query=%22%20or%20email%20%5e=%20%22", "query=%00", "actor=", f"action={'x' * 300}", "dry_run=maybe", "actor=%00",
    "[]=1", "%00=1", "a" * 3000,
]  # fmt: skip
READ = [
    route for route in routes_for("session", "admin", "api_key") if route.method == "GET" and not parameters(route.path)
]


@pytest.mark.parametrize("route", WITH_PARAMETERS, ids=str)
async def test_a_trick_instead_of_an_id_finds_nothing(route: Route) -> None:
    async with scene() as world:
        name = parameters(route.path)[0]
        headers, before = headers_of(world, route), world.world.state()
        for number, trick in enumerate(TRICKS):
            path = filled(route.path, world.ids | {name: trick.format(**world.ids)})
            answer = await world.ask(route, headers, path=path, ip=f"203.0.113.{number}", **good(world, route))
            assert answer.status_code in (400, 404, 405) or _is_another_route(route, path), (
                f"{path[:80]}: {answer.text}"
            )
            if answer.status_code >= 400:
                assert world.world.state() == before, path[:80]
        assert_sound(world.world.answers)


def _is_another_route(route: Route, path: str) -> bool:
    return any(other.path == path for other in ROUTES if other.function == route.function)


@pytest.mark.parametrize("route", READ, ids=str)
async def test_a_query_that_makes_no_sense_is_refused_or_ignored(route: Route) -> None:
    async with scene() as world:
        before = world.world.state()
        for number, query in enumerate(QUERIES):
            path = f"{route.path}?{query}"
            answer = await world.ask(route, headers_of(world, route), path=path, ip=f"203.0.113.{number}")
            assert answer.status_code in (200, 400), f"{query[:80]}: {answer.text[:300]}"
            assert answer.status_code == 200 or len(answer.text) < 1500
        assert world.world.state() == before
        assert_sound(world.world.answers)


def test_the_routes_above_are_all_that_read_or_have_ids() -> None:
    assert {DECLARED[route] for route in WITH_PARAMETERS} == {"session", "admin", "api_key"}
