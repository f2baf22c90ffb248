"""The gateway behind real sockets: uvicorn in the test's own loop, the real dialects, and the demo upstream."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import httpx
import openai
import pytest
import uvicorn
from starlette.types import ASGIApp

from local.demo_upstream import BEHAVIOURS
from multiconnection.catalog.models import Model, parse_model
from multiconnection.ledger.models import UsageRow
from multiconnection.providers.http import AiohttpClient
from multiconnection.web.app import create_app

from .chat_app import MODULES, ROUTERS
from .chat_world import an_entry
from .endpoints import ALL, EMBEDDING, Endpoint, EndpointWorld
from .scripted_world import SHIPPED

PROVIDER_TIMEOUT_S = 5.0
# Small enough that a picture of noise is above it.
INLINE_BYTES_MAX = 1024 * 1024
OTHER_MODELS = ("tts-1-hd", "gpt-image-1.5", "gpt-4o-transcribe-diarize")


@asynccontextmanager
async def served(app: ASGIApp, **options: Any) -> AsyncIterator[str]:
    """The URL of a server on a free port."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", loop="none", **options))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.ensure_future(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@dataclass(frozen=True)
class ServedGateway:
    """A served gateway; `sdk` is its customer, `upstream_url` the demo upstream behind it."""

    world: EndpointWorld
    sdk: openai.AsyncOpenAI
    http: httpx.AsyncClient
    upstream_url: str

    def request(self, endpoint: Endpoint, behaviour: str | None = None, **changes: Any) -> httpx.Request:
        """The endpoint's request to its model, or to the model that misbehaves so."""
        model = f"{endpoint.model}+{behaviour}" if behaviour else endpoint.model
        usual = endpoint.request({}, model=model, **changes)
        headers = {"content-type": usual.headers["content-type"]}
        return self.http.build_request("POST", endpoint.path, content=usual.read(), headers=headers)

    async def ask(self, endpoint: Endpoint, behaviour: str | None = None, **changes: Any) -> httpx.Response:
        return await self.http.send(self.request(endpoint, behaviour, **changes))

    async def until_cut(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        """An answer and what came of its body, which must have no clean end."""
        answer, received = await self.http.send(request, stream=True), bytearray()
        with pytest.raises(httpx.RemoteProtocolError):
            await _read(answer, received)
        await answer.aclose()
        return answer, bytes(received)

    def configure(self, *, billed: bool = False, **changes: Any) -> None:
        """Change the provider; `billed` if it bills what broke in the middle."""
        one = self.world.providers["one"]
        quirks = replace(one.quirks, mid_stream_error_billed=billed)
        self.world.providers["one"] = replace(one, quirks=quirks, **changes)

    async def row(self) -> UsageRow:
        return await self.world.settled_row()

    async def row_of(self, answer: httpx.Response) -> UsageRow:
        """The row of one of several calls, all of which are settled."""
        rows, image = await self.world.rows(), await self.world.account()
        assert (image.holds, image.charged) == ({}, sum(row.cost for row in rows))
        hold_id = answer.headers["x-request-id"].removeprefix("req_")
        (row,) = [row for row in rows if row.hold_id == hold_id]
        return row


async def _read(answer: httpx.Response, received: bytearray) -> None:
    async for piece in answer.aiter_raw():
        received += piece


@asynccontextmanager
async def served_gateway(upstream_url: str) -> AsyncIterator[ServedGateway]:
    world, client = EndpointWorld(environment={"INLINE_RESULT_BYTES_MAX": str(INLINE_BYTES_MAX)}), AiohttpClient()
    world.models.found = list(_models())
    world.connect(client)
    secret = await world.open()
    app = create_app(world.set_up, ROUTERS, {k: v for module in MODULES for k, v in _hot(module).items()})
    async with served(app) as url:
        headers = {"authorization": f"Bearer {secret}"}
        sdk = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=secret, max_retries=0)
        async with sdk, httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
            gateway = ServedGateway(world, sdk, http, upstream_url)
            gateway.configure(
                base_url=upstream_url, first_byte_timeout_s=PROVIDER_TIMEOUT_S, idle_timeout_s=PROVIDER_TIMEOUT_S
            )
            yield gateway
    await client.aclose()


def _hot(module: Any) -> dict[Any, Any]:
    return dict(getattr(module, "hot_routes", {}))


@lru_cache
def _models() -> tuple[Model, ...]:
    """Each endpoint's model, once as it is and once with each behaviour of the demo upstream."""
    bases = sorted({endpoint.model for endpoint in ALL})
    behaviours = [name.removeprefix("demo-") for name in BEHAVIOURS]
    names = [*bases, *OTHER_MODELS, *(f"{base}+{behaviour}" for base in bases for behaviour in behaviours)]
    return tuple(_entry(name, number) for number, name in enumerate(names))


def _entry(name: str, number: int) -> Model:
    changes = {"id": name, "code": f"{number:03}", "aliases": [], "upstreams": [{"provider": "one", "model": name}]}
    return parse_model({**_base(name.partition("+")[0]), **changes})


def _base(name: str) -> dict[str, Any]:
    if name == EMBEDDING.model:
        return an_entry(kind="embedding", prices={"input": "0.02"}, max_output_tokens=0)
    return SHIPPED.get(name) or an_entry(capabilities=["streaming", "completions"])
