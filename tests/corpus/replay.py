"""All scenarios by the file that keeps their answers, and one run of them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.support.virtual_time import VirtualLoop

from . import calls, matrix, rooms
from .tape import Tape, tape

Scenario = Callable[[Tape], Awaitable[None]]
_ROOMS: Mapping[str, Mapping[str, Scenario]] = {
    "account": {"signing in": rooms.signing_in, "a session": rooms.a_session},
    "admin": {"administration": rooms.administration},
    "audio": {"speech": calls.speech, "transcriptions": calls.transcriptions},
    "chat": {
        "whole": calls.whole_chats,
        "streamed": calls.streamed_chats,
        "silence": calls.silence,
        "failed streams": calls.failed_streams,
        "provider failures": calls.provider_failures,
        "refused": calls.refused_chats,
        "completions": calls.completions,
    },
    "embeddings": {"embeddings and moderations": calls.inputs},
    "export": {"usage": rooms.usage},
    "images": {"images": calls.pictures},
    "keys": {"a key's life": rooms.keys},
    "limits": {
        "money and limits": calls.money_and_limits,
        "money in flight": calls.money_in_flight,
        "limits of people": calls.limits_of_people,
    },
    "models": {"models": rooms.models},
    "orders": {"orders": rooms.orders},
    "outages": {"outages": rooms.outages},
    "site": {"pages": rooms.pages},
    "uploads": {"uploads": rooms.uploads},
}
_MATRIX: Mapping[str, Callable[[str], Scenario]] = {
    "every route, let in": matrix.let_in,
    "every route, suspended": matrix.suspended,
    "every route, kept out": matrix.kept_out,
    "every path, other methods": matrix.other_methods,
    "every body, wrong": matrix.bodies,
}


def scenarios(room: str) -> dict[str, Scenario]:
    found = dict(_ROOMS[room])
    if room in matrix.FUNCTIONS:
        found |= {name: make(room) for name, make in _MATRIX.items()}
    return found


ROOMS = tuple(_ROOMS)


def replayed(room: str, seed: int = 1) -> dict[str, list[dict[str, Any]]]:
    """Each scenario in a world and a time of its own; those that ask nothing are left out."""
    found = {}
    for name, scenario in scenarios(room).items():
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            found[name] = runner.run(_recorded(scenario, seed))
    return {name: records for name, records in found.items() if records}


async def _recorded(scenario: Scenario, seed: int) -> list[dict[str, Any]]:
    async with tape(seed) as made:
        await scenario(made)
        return made.records
