"""The right caller is let in on every route: what refuses the others below is who they are, not what they sent."""

import pytest

from tests.audience.answers import assert_sound, outcome
from tests.audience.bodies import good
from tests.audience.declared import DECLARED, ROUTES, UNSAFE, Route
from tests.audience.scene import Scene, bearer, scene

# What a good request meets behind the door where the scene has nothing to answer it with.
NO_SUCH_CODE, OVER, FORM = (400, "code_invalid"), (401, "sign_in_failed"), (415, "unsupported_media_type")
NO_MODEL, PROVIDER = (404, "model_not_found"), (400, "no")
OTHERWISE = {
    "POST /api/auth/confirm": NO_SUCH_CODE,
    "POST /api/auth/reset": NO_SUCH_CODE,
    "POST /api/auth/totp/enable": NO_SUCH_CODE,
    "POST /api/auth/totp": OVER,
    "POST /api/auth/new-password": OVER,
    "POST /api/orders/{order_id}/receipt/done": (409, "order_conflict"),
    "POST /v1/audio/transcriptions": FORM,
    "POST /v1/audio/translations": FORM,
    "POST /v1/audio/speech": NO_MODEL,
    "POST /v1/moderations": NO_MODEL,
    "POST /v1/images/generations": NO_MODEL,
    "POST /v1/images/edits": NO_MODEL,
    "POST /v1/embeddings": PROVIDER,
    "GET /assets/{name}": (404, "unknown_url"),
    # A page, for people.
    "GET /{page:path}": (404, None),
}


def headers_of(scene: Scene, route: Route) -> dict[str, str]:
    """Of somebody whom the route is for."""
    audience = DECLARED[route]
    if audience == "api_key":
        return bearer(scene.key)
    return {"session": scene.ada.headers, "admin": scene.second.headers, "public": scene.bob.headers}[audience]


async def assert_let_in(world: Scene, route: Route) -> None:
    answer = await world.ask(route, headers_of(world, route), **good(world, route))
    refused = outcome(answer) if answer.status_code >= 400 else None
    assert refused == OTHERWISE.get(str(route)), f"{route}: {answer.text}"


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method in UNSAFE], ids=str)
async def test_who_may_change_something_is_let_in(route: Route) -> None:
    async with scene() as world:
        await assert_let_in(world, route)
        assert_sound(world.world.answers)


async def test_who_may_read_something_is_let_in() -> None:
    async with scene() as world:
        before = world.world.state()
        for route in [route for route in ROUTES if route.method not in UNSAFE]:
            await assert_let_in(world, route)
            assert world.world.state() == before, f"{route} has changed something"
        assert_sound(world.world.answers)
