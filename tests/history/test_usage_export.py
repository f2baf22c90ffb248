"""GET /api/usage.csv: everything the filter lets through, streamed as it is read, and never a part as the whole."""

import csv
import io
from collections.abc import Mapping
from typing import Any

import pytest

from multiconnection.history import routes as history_routes
from multiconnection.identity.browser import ID_COOKIE, create_browser_app
from multiconnection.ids import request_id_of
from multiconnection.retry import StoreUnavailable
from tests.support.assertions import assert_error
from tests.support.console_world import ConsoleWorld, console_app

pytestmark = pytest.mark.virtual_time


NOW = 1_800_000_000
DAY = 86_400


class SmallPages:
    """Three rows a page; fails from page `fails_at` on, or only `failures` times."""

    def __init__(self, world: ConsoleWorld, fails_at: int | None = None, failures: int = 100) -> None:
        self.pages = 0
        self._failures = failures
        self._fails_at = fails_at
        self._driver = world.driver.driver
        world.driver.driver = self

    def fail_at(self, page: int) -> None:
        self._fails_at = page

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        if operation != "Query" or payload["TableName"] != "usage":
            return await self._driver.call(operation, payload)
        self.pages += 1
        if self._fails_at is not None and self.pages >= self._fails_at and self._failures:
            self._failures -= 1
            raise StoreUnavailable("down")
        return await self._driver.call(operation, dict(payload) | {"Limit": 3})


async def sent(world: ConsoleWorld, pages: SmallPages) -> list[tuple[int, dict[str, Any]]]:
    """The messages of one download, each with the number of pages that had been read by then."""
    messages: list[tuple[int, dict[str, Any]]] = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "https",
        "path": "/api/usage.csv", "raw_path": b"/api/usage.csv", "query_string": b"", "root_path": "",
        "headers": [(b"cookie", f"{ID_COOKIE}=a1".encode())], "client": ("192.0.2.1", 1), "server": ("gateway", 443),
    }  # fmt: skip
    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        return requests.pop() if requests else {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append((pages.pages, dict(message)))

    await create_browser_app(world.set_up, [history_routes.export_router])(scope, receive, send)
    return messages


async def test_every_call_is_a_line_newest_first() -> None:
    async with console_app() as app:
        rows = await app.world.write(*(app.world.a_row(NOW - number) for number in range(8)))
        await app.world.write(app.world.a_row(NOW, "a2"))
        SmallPages(app.world)
        response = await app.ask("GET", "/api/usage.csv")
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        assert response.headers["content-disposition"] == 'attachment; filename="usage.csv"'
        assert response.headers["cache-control"] == "no-store"
        found = list(csv.DictReader(io.StringIO(response.text, newline="")))
        assert [line["request_id"] for line in found] == [request_id_of(row.hold_id) for row in rows]
        assert {line["cost_usd"] for line in found} == {"0.002000000"}


async def test_the_filters_are_those_of_the_list() -> None:
    async with console_app() as app:
        rows = await app.world.write(*(app.world.a_row(NOW - n, model=f"m-{n % 2}") for n in range(6)))
        response = await app.ask("GET", "/api/usage.csv", params={"model": "m-1", "from": NOW - 4, "to": NOW})
        found = list(csv.DictReader(io.StringIO(response.text, newline="")))
        assert [line["request_id"] for line in found] == [request_id_of(rows[n].hold_id) for n in (1, 3)]


async def test_without_calls_there_is_a_header() -> None:
    async with console_app() as app:
        response = await app.ask("GET", "/api/usage.csv")
        assert response.text.startswith("request_id,created,model,")
        assert response.text.count("\n") == 1


async def test_rows_go_out_before_the_next_ones_are_read() -> None:
    world = ConsoleWorld()
    await world.write(*(world.a_row(NOW - number) for number in range(7)))
    messages = await sent(world, SmallPages(world))
    bodies = [(pages, message) for pages, message in messages if message["type"] == "http.response.body"]
    assert [pages for pages, message in bodies if message["body"]] == [1, 2, 3]
    assert bodies[-1][1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_a_download_that_fails_on_the_way_has_no_end() -> None:
    world = ConsoleWorld()
    await world.write(*(world.a_row(NOW - number) for number in range(7)))
    messages = [message for _, message in await sent(world, SmallPages(world, fails_at=2))]
    assert messages[0]["status"] == 200
    assert [message.get("more_body") for message in messages[1:]] == [True]


async def test_a_lost_page_is_read_again() -> None:
    world = ConsoleWorld()
    await world.write(*(world.a_row(NOW - number) for number in range(7)))
    messages = [message for _, message in await sent(world, SmallPages(world, fails_at=2, failures=2))]
    assert messages[-1]["more_body"] is False
    assert b"".join(message["body"] for message in messages[1:]).count(b"\n") == 8


async def test_a_download_that_fails_at_once_is_an_error() -> None:
    async with console_app() as app:
        SmallPages(app.world, fails_at=1)
        assert_error(await app.ask("GET", "/api/usage.csv"), "ledger_unavailable", 503)


@pytest.mark.parametrize(
    "params", [{"from": 1, "to": 367 * DAY + 1}, {"from": 10, "to": 9}, {"from": NOW + DAY}, {"from": 5}]
)
async def test_a_range_is_of_a_year_at_most(params: dict[str, int]) -> None:
    async with console_app() as app:
        response = await app.ask("GET", "/api/usage.csv", params=params)
        assert assert_error(response, None, 400)["param"] == "from"


async def test_no_range_means_a_year() -> None:
    async with console_app() as app:
        await app.world.write(*(app.world.a_row(NOW - days * DAY) for days in (0, 365, 367)))
        response = await app.ask("GET", "/api/usage.csv")
        assert response.text.count("\n") == 3
