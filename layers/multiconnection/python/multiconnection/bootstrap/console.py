"""The control plane: everything of the data plane, and what people in browsers need besides."""

from dataclasses import dataclass, fields
from typing import Any

from multiconnection.config import Settings
from multiconnection.services.identity import Identity

from .base import build_base
from .data_plane import Container, build_container
from .people import build_identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Console(Container):
    """Everything a function that browsers call needs."""

    identity: Identity


def build_console(settings: Settings) -> Console:
    """Call it on a running event loop."""
    base = build_base(settings)
    return Console(**parts_of(build_container(base)), identity=build_identity(base))


def parts_of(container: Container) -> dict[str, Any]:
    """What the console has in common with the data plane."""
    return {part.name: getattr(container, part.name) for part in fields(container)}
