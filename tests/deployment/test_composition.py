"""Each function's composition root provides the services that the function's routes depend on."""

import inspect
from collections.abc import Iterator

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from local.environment import function_environment
from local.lifespans import Lifespan
from local.paths import TEMPLATE
from local.template import load as load_template
from local.template_values import read_yaml
from multiconnection.web.context import service
from tests.audience.declared import WORKERS
from tests.audience.test_declared import app_of
from tests.support.function_apps import functions

NAMES = {logical_id: f"local-{logical_id}" for logical_id in read_yaml(TEMPLATE)["Resources"]}
SERVICE = service("any").dependency.__qualname__


def services_of(dependant: Dependant) -> Iterator[str]:
    if getattr(dependant.call, "__qualname__", "") == SERVICE:
        assert dependant.call is not None
        yield inspect.getclosurevars(dependant.call).nonlocals["name"]
    for each in dependant.dependencies:
        yield from services_of(each)


@pytest.mark.parametrize("function", sorted(set(functions()) - WORKERS))
async def test_a_function_has_the_services_of_its_routes(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in function_environment(load_template(TEMPLATE), NAMES, "http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    app, _ = app_of(function)
    lifespan = Lifespan(app)
    await lifespan.start()
    routes = [context.route for context in iter_route_contexts(app.routes)]
    wanted = {name for route in routes if isinstance(route, APIRoute) for name in services_of(route.dependant)}
    found = {name for name in wanted if hasattr(app.state, name)}
    await lifespan.stop()
    assert wanted - found == set()
