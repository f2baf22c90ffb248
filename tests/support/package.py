"""The modules of the package, by the part that they play in their room."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import multiconnection


def modules(*parts: str) -> Iterator[ModuleType]:
    """Every module with one of these file names: `schemas`, `routes`."""
    for found in pkgutil.walk_packages(multiconnection.__path__, f"{multiconnection.__name__}."):
        if found.name.rpartition(".")[2] in parts:
            yield importlib.import_module(found.name)
