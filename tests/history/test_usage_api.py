"""/api/usage, its summary and one call, as a page of the console meets them."""

from decimal import Decimal
from typing import Any

import pytest

from multiconnection.ids import request_id_of
from multiconnection.limits.limiter import HEAVY_PER_MINUTE
from multiconnection.retry import StoreUnavailable
from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.assertions import assert_error
from tests.support.chat_world import an_entry
from tests.support.console_world import ConsoleApp, console_app

pytestmark = pytest.mark.virtual_time


NOON = 1_790_000_000 // 86_400 * 86_400 + 43_200
DAY = 86_400
SHOWN = {
    "request_id", "created", "model", "key_id", "endpoint", "usage", "lines", "cost", "hold", "price_version", "ended",
    "usage_source", "why", "streamed", "duration_ms", "provider", "attempts", "overrun",
}  # fmt: skip


async def pages(app: ConsoleApp, **params: Any) -> list[list[str]]:
    """The request ids of every page; at most 100, so that a broken cursor ends."""
    found: list[list[str]] = []
    cursor: dict[str, str] = {}
    for _ in range(100):
        page = await app.get("/api/usage", **params, **cursor)
        found.append([call["request_id"] for call in page["data"]])
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}
    raise AssertionError("the pages do not end")


async def test_a_call_shows_what_it_cost_and_why() -> None:
    async with console_app() as app:
        (row,) = await app.world.write(app.world.a_row(NOON))
        (call,) = (await app.get("/api/usage"))["data"]
        assert call.keys() == SHOWN
        assert (call["request_id"], call["created"]) == (request_id_of(row.hold_id), NOON)
        assert (call["cost"], call["hold"], call["overrun"]) == ("0.002000000", "0.010000000", "0.000000000")
        assert call["lines"] == [
            {"kind": "input", "quantity": 1000, "price": "1.00", "per": "1M tokens", "amount": "0.001000000"},
            {"kind": "output", "quantity": 500, "price": "2.00", "per": "1M tokens", "amount": "0.001000000"},
        ]
        assert call["usage"]["prompt_tokens"] == 1000
        assert call["why"].startswith("The answer was complete; ")
        assert await app.get(f"/api/usage/{call['request_id']}") == call


async def test_the_lines_use_the_prices_of_the_calls_own_version() -> None:
    async with console_app() as app:
        await app.world.write(app.world.a_row(NOON))
        await app.world.published.publish([an_entry(price_version=8, prices={"input": "9.00", "output": "9.00"})])
        await app.world.write(app.world.a_row(NOON + 1, price_version=8, cost=13_500_000))
        newer, older = (await app.get("/api/usage"))["data"]
        assert [line["price"] for line in older["lines"]] == ["1.00", "2.00"]
        assert [line["price"] for line in newer["lines"]] == ["9.00", "9.00"]
        for call in (newer, older):
            assert sum(Decimal(line["amount"]) for line in call["lines"]) == Decimal(call["cost"])


async def test_the_list_is_newest_first_and_every_call_is_on_one_page() -> None:
    async with console_app() as app:
        rows = await app.world.write(*(app.world.a_row(NOON + offset) for offset in range(5)))
        await app.world.write(app.world.a_row(NOON, "a2"))
        expected = [request_id_of(row.hold_id) for row in rows[::-1]]
        for limit in (1, 2, 4, 5, 100):
            found = await pages(app, limit=limit)
            assert [one for page in found for one in page] == expected
            assert len(found) == -(-5 // limit)


async def test_from_is_inside_and_to_is_not() -> None:
    async with console_app() as app:
        rows = await app.world.write(*(app.world.a_row(NOON + offset) for offset in range(4)))
        found = await pages(app, **{"from": NOON + 1, "to": NOON + 3})
        assert found == [[request_id_of(row.hold_id) for row in (rows[2], rows[1])]]
        assert await pages(app, **{"from": NOON + 1, "to": NOON + 3}, limit=1) == [[found[0][0]], [found[0][1]]]


@pytest.mark.parametrize(
    ("params", "matches"),
    [
        ({"model": "m-2"}, [1]),
        ({"key_id": "key00002"}, [2]),
        ({"ended": "deadline"}, [3]),
        ({"model": "m-1", "ended": "complete"}, [2, 0]),
        ({"model": "none"}, []),
    ],
)
async def test_filters_combine(params: dict[str, str], matches: list[int]) -> None:
    async with console_app() as app:
        rows = await app.world.write(
            app.world.a_row(NOON),
            app.world.a_row(NOON + 1, model="m-2"),
            app.world.a_row(NOON + 2, key_id="key00002"),
            app.world.a_row(NOON + 3, ended=Ended.DEADLINE),
        )
        expected = [request_id_of(rows[index].hold_id) for index in matches]
        assert await pages(app, **params) == [expected]
        assert [one for page in await pages(app, limit=1, **params) for one in page] == expected


async def test_a_filter_reads_a_bounded_number_of_rows_and_says_where_to_go_on() -> None:
    async with console_app() as app:
        for offset in range(2100):
            await app.world.ledger.store.decide(app.world.a_row(NOON + offset, model="m-1" if offset else "m-2"))
        app.world.driver.calls.clear()
        first = await app.get("/api/usage", model="m-2")
        assert (first["data"], first["next_cursor"] is None) == ([], False)
        assert app.world.driver.calls.count("Query") == 4
        second = await app.get("/api/usage", model="m-2", cursor=first["next_cursor"])
        assert (len(second["data"]), second["next_cursor"]) == (1, None)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"from": -1}, "from"),
        ({"from": "x"}, "from"),
        ({"from": 10, "to": 10}, "from"),
        ({"ended": "never"}, "ended"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "zzzzzzzzzzzz"}, "cursor"),
        ({"from": NOON, "cursor": "000000000000"}, "cursor"),
        ({"cursor": "0/../0000000"}, "cursor"),
    ],
)
async def test_a_wrong_question_is_refused_by_its_name(params: dict[str, Any], param: str) -> None:
    async with console_app() as app:
        response = await app.ask("GET", "/api/usage", params=params)
        assert assert_error(response, None, 400)["param"] == param


async def test_another_accounts_call_is_not_found_as_a_missing_one_is() -> None:
    async with console_app() as app:
        (row,) = await app.world.write(app.world.a_row(NOON, "a2"))
        theirs = request_id_of(row.hold_id)
        found = await app.ask("GET", f"/api/usage/{theirs}")
        error = assert_error(found, "usage_not_found", 404)
        missing = await app.ask("GET", "/api/usage/req_000000000000")
        assert missing.text == found.text.replace(theirs, "req_000000000000")
        assert error["param"] == "request_id"
        assert await pages(app) == [[]]
        # A cursor of theirs is a time, and leads into the own list.
        assert (await app.get("/api/usage", cursor=row.hold_id))["data"] == []
        assert (await app.get("/api/usage/summary", **{"from": str(NOON - 1), "to": str(NOON + 9)}))["total"][
            "calls"
        ] == 0


async def test_images_characters_and_seconds_are_shown_by_their_own_names() -> None:
    async with console_app() as app:
        prices = {"images": {"1024x1024": {"high": "0.04"}}, "characters": "15.00", "seconds": "0.0001"}
        await app.world.published.publish([an_entry(id="m-9", code="m09", aliases=[], prices=prices)])
        usage = Usage(images=2, image_size="1024x1024", image_quality="high", characters=7, milliseconds=1500)
        await app.world.write(app.world.a_row(NOON, model="m-9", usage=usage, cost=80_255_000, hold=10**9))
        (call,) = (await app.get("/api/usage"))["data"]
        assert call["usage"].items() >= {
            "images": 2, "image_size": "1024x1024", "image_quality": "high", "characters": 7, "seconds": 1.5,
        }.items()  # fmt: skip
        assert [(line["kind"], line["quantity"], line["price"], line["per"]) for line in call["lines"]] == [
            ("characters", 7, "15.00", "1M characters"),
            ("seconds", 1.5, "0.0001", "second"),
            ("images", 2, "0.04", "image of 1024x1024 in high"),
        ]
        assert sum(Decimal(line["amount"]) for line in call["lines"]) == Decimal(call["cost"])


def tokens(tokens_in: int, tokens_out: int) -> dict[str, int]:
    return {"tokens_in": tokens_in, "tokens_out": tokens_out}


async def test_a_day_is_summed_up_by_model_or_key() -> None:
    async with console_app() as app:
        await app.new_key()
        (key,) = (await app.get("/api/keys"))["data"]
        await app.world.write(
            app.world.a_row(NOON, key_id=key["id"]),
            app.world.a_row(NOON + 1, model="m-2", cost=5, usage=Usage(input=1, cached_input=2, output=3)),
            app.world.a_row(NOON + 2 * DAY, cost=7),
        )
        asked: dict[str, Any] = {"from": NOON - 100, "to": NOON + 2 * DAY + 100}
        by_model = await app.get("/api/usage/summary", group="model", **asked)
        assert [day["day"] for day in by_model["days"]] == ["2026-09-21", "2026-09-22", "2026-09-23"]
        first, empty, _ = by_model["days"]
        assert first == {
            "day": "2026-09-21", "calls": 2, "cost": "0.002000005", "tokens_in": 1003, "tokens_out": 503,
            "groups": [
                {"name": "m-1", "label": "m-1", "calls": 1, "cost": "0.002000000"} | tokens(1000, 500),
                {"name": "m-2", "label": "m-2", "calls": 1, "cost": "0.000000005"} | tokens(3, 3),
            ],
        }  # fmt: skip
        assert (empty["calls"], empty["cost"], empty["groups"]) == (0, "0.000000000", [])
        assert by_model["total"] == {"calls": 3, "cost": "0.002000012", "tokens_in": 2003, "tokens_out": 1003}
        assert by_model["truncated"] is False
        by_key = await app.get("/api/usage/summary", group="key", **asked)
        assert {(group["name"], group["label"]) for group in by_key["days"][0]["groups"]} == {
            (key["id"], "laptop"),
            ("key00001", "key00001"),
        }
        assert (await app.get("/api/usage/summary", **asked))["days"][0]["groups"] == []
        only = await app.get("/api/usage/summary", key_id=key["id"], model="m-1", **asked)
        assert only["total"]["calls"] == 1


async def test_days_begin_at_the_readers_midnight() -> None:
    async with console_app() as app:
        await app.world.write(app.world.a_row(NOON))
        asked: dict[str, Any] = {"from": NOON - 10, "to": NOON + 10}
        for offset_min, day in ((0, "2026-09-21"), (720, "2026-09-22"), (719, "2026-09-21"), (-721, "2026-09-20")):
            found = await app.get("/api/usage/summary", tz_offset_min=offset_min, **asked)
            assert [each["day"] for each in found["days"] if each["calls"]] == [day]


async def test_a_summary_without_a_range_is_of_the_last_thirty_days() -> None:
    async with console_app() as app:
        now_s = int(app.world.clock.now())
        await app.world.write(*(app.world.a_row(now_s - days * DAY) for days in (0, 29, 31)))
        found = await app.get("/api/usage/summary")
        assert found["total"]["calls"] == 2
        assert len(found["days"]) == 31


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"group": "account"}, "group"),
        ({"tz_offset_min": 841}, "tz_offset_min"),
        ({"from": NOON, "to": NOON + 367 * DAY}, "from"),
    ],
)
async def test_a_wrong_summary_is_refused_by_its_name(params: dict[str, Any], param: str) -> None:
    async with console_app() as app:
        response = await app.ask("GET", "/api/usage/summary", params=params)
        assert assert_error(response, None, 400)["param"] == param


@pytest.mark.parametrize("path", ["/api/usage", "/api/usage/summary", "/api/usage/req_000000000000", "/api/usage.csv"])
async def test_a_session_is_needed_and_the_database(path: str) -> None:
    async with console_app() as app:
        assert_error(await app.ask("GET", path, None), "session_required", 401)
        app.world.driver.failure = StoreUnavailable("down")
        assert_error(await app.ask("GET", path), "ledger_unavailable", 503)


async def test_pages_are_counted_per_account_and_apart_from_calls() -> None:
    async with console_app() as app:
        statuses = [(await app.ask("GET", "/api/usage/summary")).status_code for _ in range(HEAVY_PER_MINUTE + 1)]
        assert statuses == [200] * HEAVY_PER_MINUTE + [429]
        refused = await app.ask("GET", "/api/usage/summary")
        assert assert_error(refused, "rate_limited", 429)["reason"] == "console_requests"
        assert int(refused.headers["retry-after"]) >= 1
        assert (await app.ask("GET", "/api/usage/summary", "a2")).status_code == 200
        assert (await app.ask("GET", "/api/usage")).status_code == 200


async def test_a_free_call_says_that_it_was_free() -> None:
    async with console_app() as app:
        await app.world.write(
            app.world.a_row(NOON, cost=0, usage=Usage(), usage_source=UsageSource.NONE, ended=Ended.KILLED)
        )
        (call,) = (await app.get("/api/usage"))["data"]
        assert (call["lines"], call["cost"]) == ([], "0.000000000")
        assert call["why"] == (
            "The gateway's process died during the call; nothing is known to have been used, so nothing was charged."
        )
