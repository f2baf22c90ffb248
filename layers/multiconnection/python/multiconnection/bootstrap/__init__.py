"""The composition root: the only place that makes clients and puts the tiers together."""

from .console import Console, build_console
from .data_plane import Container, build
from .foundation import SystemClock, SystemRng, build_ledger
from .workers import Workers, build_workers

__all__ = [
    "Console",
    "Container",
    "SystemClock",
    "SystemRng",
    "Workers",
    "build",
    "build_console",
    "build_ledger",
    "build_workers",
]
