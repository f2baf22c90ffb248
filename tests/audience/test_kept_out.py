"""Every route against everybody it is not for: the right refusal in our shape, no data in it, nothing written."""

import httpx
import pytest

from tests.audience.answers import assert_sound, outcome
from tests.audience.bodies import good
from tests.audience.callers import CALLERS
from tests.audience.declared import DECLARED, ROUTES, Route, routes_for
from tests.audience.scene import Scene, bearer, scene

# The site has pages for whatever is asked for with GET.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
KEPT = [route for route in ROUTES if any(caller.tries(route, DECLARED[route]) for caller in CALLERS)]
FUNCTIONS = sorted({route.function for route in ROUTES})
PUBLIC_PAGES = [route for route in routes_for("public") if route.method == "GET"]


def test_nothing_but_public_pages_is_open_to_all() -> None:
    assert set(ROUTES) - set(KEPT) == set(PUBLIC_PAGES)


@pytest.mark.parametrize("route", KEPT, ids=str)
async def test_a_route_keeps_everybody_else_out(route: Route) -> None:
    audience = DECLARED[route]
    async with scene() as world:
        before = world.world.state()
        for number, caller in enumerate(caller for caller in CALLERS if caller.tries(route, audience)):
            answer = await world.ask(route, caller.headers(world), ip=f"198.51.100.{number}", **good(world, route))
            assert outcome(answer) in caller.told[audience], caller.name
            assert_tells_nothing(world, answer.text + str(answer.headers), caller.name)
            assert world.world.state() == before, caller.name
        assert_sound(world.world.answers)


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_other_methods_are_not_allowed_to_anybody(function: str) -> None:
    """Whoever asks: an administrator with a key, too."""
    paths = sorted({route.path for route in ROUTES if route.function == function})
    routes = [Route(function, method, path) for path in paths for method in METHODS]
    async with scene() as world:
        before = world.world.state()
        headers = {**world.root.headers, "authorization": f"Bearer {world.key}"}
        for route in [route for route in routes if route not in DECLARED and not _is_somewhere(route)]:
            answer = await world.ask(route, headers)
            assert outcome(answer) == (405, "method_not_allowed"), str(route)
            assert_tells_nothing(world, answer.text, str(route))
        assert world.world.state() == before
        assert_sound(world.world.answers)


def _is_somewhere(route: Route) -> bool:
    """Another route of the function with such a path: `PATCH /api/keys/session` is a key's, and not there."""
    return route.method in OVERLAPPING.get(route.path, ())


OVERLAPPING = {
    "/api/keys/session": ("PATCH", "DELETE"),
    "/api/admin/models/{model_id:path}/prices": ("GET",),
    "/api/admin/models/{model_id:path}/enable": ("GET",),
    "/api/admin/models/{model_id:path}/disable": ("GET",),
}


async def test_a_public_page_is_the_same_for_everybody() -> None:
    """What is public may be kept by a cache: it must not depend on who asked first."""
    async with scene() as world:
        before = world.world.state()
        for route in PUBLIC_PAGES:
            first = await world.ask(route, {})
            for headers in (world.ada.headers, world.root.headers, bearer(world.key)):
                again = await world.ask(route, headers)
                assert _comparable(again) == _comparable(first), str(route)
                assert "set-cookie" not in again.headers
            assert_tells_nothing(world, first.text, str(route))
        assert world.world.state() == before
        assert_sound(world.world.answers)


def _comparable(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.text.replace(answer.headers["x-request-id"], "")


def assert_tells_nothing(world: Scene, text: str, who: str) -> None:
    told = [secret for secret in world.secrets if secret in text]
    assert told == [], f"{who} was told {told}"
