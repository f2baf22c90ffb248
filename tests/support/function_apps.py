"""The real apps of all functions, set up by a world instead of by bootstrap."""

import asyncio
import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace

from starlette.datastructures import State

from multiconnection.web import app as web
from multiconnection.web.app import SetUp

FUNCTIONS = Path(__file__).parents[2] / "functions"


class Process:
    """A function's own module, that a world sets up instead of its composition root.

    Its app is kept, as to build it takes longer than most tests; one world at a time has it, from start to shutdown.
    """

    def __init__(self, function: str) -> None:
        module = load(function)
        self.app = module.app
        self.set_up: SetUp | None = None
        (builder,) = [name for name in vars(module) if name.startswith("build")]
        settings = SimpleNamespace(from_environment=lambda: None)
        vars(module).update({builder: self._set_up, "Settings": settings})

    def _set_up(self, state: State, _: None) -> web.Process:
        assert self.set_up is not None
        return self.set_up(state)


@cache
def process_of(function: str) -> Process:
    return Process(function)


def functions() -> list[str]:
    """Of the folder; each has an app.py."""
    return sorted(path.parent.name for path in FUNCTIONS.glob("*/app.py"))


def load(function: str) -> ModuleType:
    """A copy of a function's module; the one that others may have imported stays as it is.

    Mangum takes the loop that is there; where there is none it makes one, and nobody would close it.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_load(function))
    return _loaded(function)


async def _load(function: str) -> ModuleType:
    return _loaded(function)


def _loaded(function: str) -> ModuleType:
    spec = importlib.util.find_spec(f"functions.{function}.app")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
