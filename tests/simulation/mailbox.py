"""A queue that delivers each message at least once: up to three times, at any time, and again after a failure."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import log10

RECEIVES_MAX = 10


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Each message comes one to `copies_max` times, first within `first_s_max`, and `again_s` after a failure."""

    copies_max: int = 3
    first_s_max: float = 1000.0
    again_s: float = 30.0


class Mailbox:
    """`consume` handles one delivery and returns whether it succeeded."""

    def __init__(self, rng: random.Random, consume: Callable[[str], Awaitable[bool]], deliveries: Deliveries) -> None:
        self.sent: list[str] = []
        self.dead: list[str] = []
        self._rng = rng
        self._consume = consume
        self._terms = deliveries
        self._deliveries: set[asyncio.Task[None]] = set()

    def put(self, body: str) -> None:
        self.sent.append(body)
        for _ in range(self._rng.randint(1, self._terms.copies_max)):
            delivery = asyncio.ensure_future(
                self._deliver(body, 10 ** self._rng.uniform(-1, log10(self._terms.first_s_max)))
            )
            self._deliveries.add(delivery)
            delivery.add_done_callback(self._deliveries.discard)

    async def _deliver(self, body: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        for _ in range(RECEIVES_MAX):
            if await self._consume(body):
                return
            await asyncio.sleep(self._terms.again_s)
        self.dead.append(body)
