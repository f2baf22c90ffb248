"""The routes of all functions and their declared audiences are the same set; API Gateway sends each to its function."""

from collections.abc import Iterator
from functools import cache

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from local.paths import TEMPLATE
from local.routing import Router
from local.template import load as load_template
from tests.audience.declared import DECLARED, ROUTES, WORKERS, Route
from tests.support.function_apps import functions, load


def app_of(function: str) -> tuple[FastAPI, set[tuple[str, str]]]:
    """What is inside a function's layers, and the routes that are served without it."""
    layer, hot = load(function).app, set[tuple[str, str]]()
    while not isinstance(layer, FastAPI):
        hot |= vars(layer).get("_routes", {}).keys()
        layer = vars(layer)["_app"]
    return layer, hot


def routes_of(function: str) -> Iterator[Route]:
    app, hot = app_of(function)
    for context in iter_route_contexts(app.routes):
        for method in context.methods or {"ANY"}:
            yield Route(function, method, str(context.path))
    for method, path in hot:
        yield Route(function, method, path)


@cache
def found() -> frozenset[Route]:
    return frozenset(route for function in functions() if function not in WORKERS for route in routes_of(function))


def test_every_route_says_who_may_call_it() -> None:
    assert found() - DECLARED.keys() == set(), "declare their audience in declared.py"


def test_every_declaration_has_its_route() -> None:
    assert set(ROUTES) - found() == set()


def test_every_function_is_in_the_table() -> None:
    assert {route.function for route in DECLARED} == set(functions())


@pytest.mark.parametrize("function", sorted(WORKERS))
def test_a_worker_has_no_app(function: str) -> None:
    assert not hasattr(load(function), "app")


def test_the_deployed_api_leads_to_the_function_that_is_meant() -> None:
    """Otherwise a declaration would be about code that never answers, and another function would."""
    template = load_template(TEMPLATE)
    folders = {name: spec.code_uri.removeprefix("functions/") for name, spec in template.functions().items()}
    router = Router((route.path, route.method, folders[route.function]) for route in template.routes())
    deployed = [route for route in ROUTES if route.function in folders.values()]
    led = {route: router.match(route.method, an_example(route.path).encode()) for route in deployed}
    assert {route: function for route, function in led.items() if function != route.function} == {}
    assert {route.function for route in template.routes()}.isdisjoint(
        name for name, folder in folders.items() if folder in WORKERS
    )


def an_example(path: str) -> str:
    """A path of that route: names stand for themselves."""
    return path.replace(":path}", "}").replace("{", "").replace("}", "")
