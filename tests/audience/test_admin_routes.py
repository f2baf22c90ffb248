"""Who may ask: administrators, on every route; everybody else is told nothing."""

import pytest
from fastapi.routing import APIRoute

from tests.support.admin_world import ROUTERS, USER, AdminApp, AdminWorld

pytestmark = pytest.mark.virtual_time


ROUTES = sorted(
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in route.methods or ()
)


def test_there_are_as_many_as_the_contract_has() -> None:
    assert len(ROUTES) == 22
    assert all(path.startswith("/api/admin/") for _, path in ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_somebody_who_is_no_administrator_is_refused_before_anything_is_read(method: str, path: str) -> None:
    world = AdminWorld()
    app = AdminApp(world)
    status, code, _ = await app.refused(path.removeprefix("/api/admin/"), {}, USER, method)
    assert (status, code) == (403, "admin_forbidden")
    assert world.driver.calls == []
