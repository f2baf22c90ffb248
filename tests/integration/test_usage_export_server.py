"""Behind the function's own server, a download that was cut cannot be taken for a whole one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn

from multiconnection.history import routes as history_routes
from multiconnection.identity.browser import ID_COOKIE, create_browser_app
from tests.history.test_usage_export import SmallPages
from tests.support.console_world import ConsoleWorld

HEADERS = {"cookie": f"{ID_COOKIE}=a1"}


class Server(uvicorn.Server):
    """Of the test's own loop; `url` is known once it is up."""

    def __init__(self, world: ConsoleWorld) -> None:
        app = create_browser_app(world.set_up, [history_routes.export_router])
        super().__init__(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="on"))
        self.up = asyncio.Event()

    async def startup(self, sockets: object = None) -> None:
        await super().startup()
        self.up.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}/api/usage.csv"


@asynccontextmanager
async def served(world: ConsoleWorld) -> AsyncIterator[str]:
    server = Server(world)
    running = asyncio.create_task(server._serve())
    await asyncio.wait_for(server.up.wait(), 20)
    try:
        yield server.url
    finally:
        server.should_exit = True
        await running


async def collect(response: httpx.Response, received: bytearray) -> None:
    async for chunk in response.aiter_bytes():
        received += chunk


async def test_a_whole_download_ends_and_a_cut_one_does_not() -> None:
    world = ConsoleWorld()
    now_s = int(world.clock.now())
    await world.write(*(world.a_row(now_s - number) for number in range(1, 8)))
    pages = SmallPages(world)
    async with served(world) as url, httpx.AsyncClient(headers=HEADERS) as client:
        whole = await client.get(url)
        assert whole.text.count("\n") == 8
        assert whole.headers["transfer-encoding"] == "chunked"
        pages.fail_at(pages.pages + 2)
        async with client.stream("GET", url) as cut:
            assert cut.status_code == 200
            received = bytearray()
            with pytest.raises(httpx.RemoteProtocolError):
                await collect(cut, received)
        assert received.count(b"\n") == 4
