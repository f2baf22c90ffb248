"""Behind the function's own server, a download that was cut cannot be taken for a whole one."""

import httpx
import pytest

from multiconnection.history import routes as history_routes
from multiconnection.identity.browser import ID_COOKIE, create_browser_app
from tests.history.test_usage_export import SmallPages
from tests.support.console_world import ConsoleWorld
from tests.support.served_gateway import served

HEADERS = {"cookie": f"{ID_COOKIE}=a1"}


async def collect(response: httpx.Response, received: bytearray) -> None:
    async for chunk in response.aiter_bytes():
        received += chunk


async def test_a_whole_download_ends_and_a_cut_one_does_not() -> None:
    world = ConsoleWorld()
    now_s = int(world.clock.now())
    await world.write(*(world.a_row(now_s - number) for number in range(1, 8)))
    pages = SmallPages(world)
    app = create_browser_app(world.set_up, [history_routes.export_router])
    async with served(app) as server, httpx.AsyncClient(headers=HEADERS) as client:
        url = f"{server}/api/usage.csv"
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
