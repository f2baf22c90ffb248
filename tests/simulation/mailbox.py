"""A queue that delivers each message at least once: up to three times, at any time, and again after a failure."""

import asyncio
import random
from collections.abc import Awaitable, Callable

DELIVERIES_MAX = 3
RECEIVES_MAX = 10
RETRY_S = 30.0


class Mailbox:
    """`consume` handles one delivery and returns whether it succeeded."""

    def __init__(self, rng: random.Random, consume: Callable[[str], Awaitable[bool]]) -> None:
        self.sent: list[str] = []
        self.dead: list[str] = []
        self._rng = rng
        self._consume = consume
        self._deliveries: set[asyncio.Task[None]] = set()

    def put(self, body: str) -> None:
        self.sent.append(body)
        for _ in range(self._rng.randint(1, DELIVERIES_MAX)):
            delivery = asyncio.ensure_future(self._deliver(body, 10 ** self._rng.uniform(-1, 3)))
            self._deliveries.add(delivery)
            delivery.add_done_callback(self._deliveries.discard)

    async def _deliver(self, body: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        for _ in range(RECEIVES_MAX):
            if await self._consume(body):
                return
            await asyncio.sleep(RETRY_S)
        self.dead.append(body)
