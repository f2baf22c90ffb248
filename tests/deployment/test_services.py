"""Each function's own composition root puts every service there that its routes ask for.

The worlds of the other tests put services together themselves, so only this one sees a service that is forgotten.
"""

from collections.abc import Iterator
from inspect import getclosurevars

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.datastructures import State

from local.environment import aws_environment
from multiconnection.config import Settings
from multiconnection.web.context import service
from tests.audience.declared import WORKERS
from tests.audience.test_declared import app_of
from tests.support.function_apps import functions, load

ASKED = service("any").dependency.__qualname__
TABLES = ("KEYS", "BALANCES", "USAGE", "CREDITS", "ORDERS", "CATALOG", "LIMITS", "AUDIT", "REPORTS", "ADJUSTMENTS")
SETTINGS = Settings.of(
    {f"{name}_TABLE": name for name in TABLES}
    | aws_environment("http://127.0.0.1:9")
    | {"PAYLOAD_BUCKET": "payloads", "FALLBACK_QUEUE_URL": "http://127.0.0.1:9/queue", "OPENAI_API_KEY": "sk-1"}
    | {"USER_POOL_ID": "pool", "USER_POOL_CLIENT_ID": "client", "RECHARGE_STATE_MACHINE_ARN": "arn:aws:states:r:1:s"}
)


def services_asked(app: FastAPI) -> set[str]:
    """By the routes, and by what they depend on."""
    dependants = (getattr(context.original_route, "dependant", None) for context in iter_route_contexts(app.routes))
    return {name for dependant in dependants if dependant for name in _names(dependant)}


def _names(dependant: Dependant) -> Iterator[str]:
    call = dependant.call
    if call is not None and call.__qualname__ == ASKED:
        yield str(getclosurevars(call).nonlocals["name"])
    for each in dependant.dependencies:
        yield from _names(each)


@pytest.mark.parametrize("function", [name for name in functions() if name not in WORKERS])
async def test_every_service_that_a_function_asks_for_is_there(function: str) -> None:
    module, state = load(function), State()
    [build] = [value for name, value in vars(module).items() if name.startswith("build")]
    app, _ = app_of(function)
    process = build(state, SETTINGS)
    try:
        assert services_asked(app) - vars(state)["_state"].keys() == set()
    finally:
        await process.aclose()
