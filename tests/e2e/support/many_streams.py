"""Many long streams at once, for tests that do something terrible in the middle of them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx

from tests.e2e.support.customers import Customer, chat_body

BEGIN_S = 30.0
END_S = 60.0


@dataclass(slots=True)
class LongStream:
    """One open stream; `body` is what came until it ended, cleanly or not."""

    request_id: str = ""
    body: str = ""
    broken: bool = False
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, client: httpx.AsyncClient, customer: Customer, pause_ms: int) -> None:
        body = chat_body(stream=True, demo={"chunks": 200, "delay_ms": pause_ms})
        url = f"{customer.stack.base_url}/chat/completions"
        try:
            async with client.stream("POST", url, json=body, headers=customer.headers) as answer:
                self.request_id = answer.headers["x-request-id"]
                async for text in answer.aiter_text():
                    self.body += text
                    self.begun.set()
        except httpx.TransportError:
            self.broken = True

    @property
    def whole(self) -> bool:
        return self.body.endswith("data: [DONE]\n\n")


async def disturbed(
    customer: Customer, number: int, disturb: Callable[[], Awaitable[None]], pause_ms: int = 200
) -> list[LongStream]:
    """Opens streams, calls `disturb` when each has begun, and returns them when all have ended."""
    streams = [LongStream() for _ in range(number)]
    limits = httpx.Limits(max_connections=number)
    async with httpx.AsyncClient(timeout=END_S, trust_env=False, limits=limits) as client, asyncio.TaskGroup() as tasks:
        for stream in streams:
            tasks.create_task(stream.read(client, customer, pause_ms))
        async with asyncio.timeout(BEGIN_S):
            for stream in streams:
                await stream.begun.wait()
        await disturb()
    return streams
