"""Many long streams at once, for tests that do something terrible in the middle of them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.e2e.support.customers import Customer, chat_body

BEGIN_S = 30.0
END_S = 60.0


@dataclass(slots=True)
class LongStream:
    """One open stream; `body` is what came until it ended, cleanly or not (of bare audio, as Latin-1)."""

    path: str
    wanted: dict[str, Any]
    request_id: str = ""
    body: str = ""
    broken: bool = False
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, client: httpx.AsyncClient, customer: Customer) -> None:
        url = f"{customer.stack.base_url}{self.path}"
        try:
            async with client.stream("POST", url, json=self.wanted, headers=customer.headers) as answer:
                self.request_id = answer.headers["x-request-id"]
                async for data in answer.aiter_bytes():
                    self.body += data.decode("latin-1")
                    self.begun.set()
        except httpx.TransportError:
            self.broken = True

    @property
    def whole(self) -> bool:
        return self.body.endswith("data: [DONE]\n\n")


def chats(number: int, pause_ms: int = 200) -> list[LongStream]:
    """Of 200 chunks each."""
    wanted = chat_body(stream=True, demo={"chunks": 200, "delay_ms": pause_ms})
    return [LongStream("/chat/completions", wanted) for _ in range(number)]


async def disturbed(
    customer: Customer, asked: int | list[LongStream], disturb: Callable[[], Awaitable[None]], pause_ms: int = 200
) -> list[LongStream]:
    """Opens streams (so many chats, or those), calls `disturb` when each has begun, returns them when all ended."""
    streams = chats(asked, pause_ms) if isinstance(asked, int) else asked
    limits = httpx.Limits(max_connections=len(streams))
    async with httpx.AsyncClient(timeout=END_S, trust_env=False, limits=limits) as client, asyncio.TaskGroup() as tasks:
        for stream in streams:
            tasks.create_task(stream.read(client, customer))
        async with asyncio.timeout(BEGIN_S):
            for stream in streams:
                await stream.begun.wait()
        await disturb()
    return streams
