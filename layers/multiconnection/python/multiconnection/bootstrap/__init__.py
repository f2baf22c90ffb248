"""The composition root: the only place that makes clients and puts the tiers together."""

from .data_plane import Container, build
from .foundation import SystemClock, SystemRng, build_ledger
from .workers import Workers, build_workers

__all__ = [
    "Container",
    "SystemClock",
    "SystemRng",
    "Workers",
    "build",
    "build_ledger",
    "build_workers",
]
