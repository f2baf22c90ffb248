"""/api/balance and /api/credits as a page of the console meets them."""

from typing import Any

import pytest

from multiconnection.ledger.models import CreditRow
from multiconnection.retry import StoreUnavailable
from tests.support.assertions import assert_error
from tests.support.console_world import ConsoleApp, console_app

pytestmark = pytest.mark.virtual_time


def a_credit(number: int, account_id: str = "a1", **changes: Any) -> CreditRow:
    fields: dict[str, Any] = {
        "account_id": account_id, "credit_id": f"c{number}", "amount": number * 10**9, "kind": "grant",
        "reason": "Test credit", "actor": "system", "created_ms": 1_800_000_000_000 + number * 1000,
    }  # fmt: skip
    return CreditRow(**fields | changes)


async def credit(app: ConsoleApp, *rows: CreditRow) -> None:
    for row in rows:
        await app.world.ledger.credit(row)


async def test_the_balance_adds_up() -> None:
    async with console_app() as app:
        await app.world.call(await app.world.caller("1.00", "a3"))
        found = await app.get("/api/balance", "a3")
        charged = (await app.world.account("a3")).charged
        assert found == {
            "currency": "USD",
            "available": f"0.{10**9 - charged:09d}",
            "in_flight": "0.000000000",
            "credits_in": "1.000000000",
            "charged": f"0.{charged:09d}",
        }


async def test_an_account_that_is_not_open_yet_has_nothing() -> None:
    async with console_app() as app:
        assert set((await app.get("/api/balance", "new")).values()) == {"USD", "0.000000000"}
        assert (await app.get("/api/credits", "new"))["data"] == []


async def test_credits_are_shown_newest_first_page_by_page() -> None:
    async with console_app() as app:
        await credit(app, *(a_credit(number) for number in (2, 3, 1)), a_credit(9, "a2"))
        everything = (await app.get("/api/credits"))["data"]
        assert [row["id"] for row in everything] == ["c3", "c2", "c1"]
        assert everything[0] == {
            "id": "c3", "kind": "grant", "amount": "3.000000000", "note": "Test credit", "created": 1_800_000_003,
            "order_id": None,
        }  # fmt: skip
        first = await app.get("/api/credits", limit=2)
        assert [row["id"] for row in first["data"]] == ["c3", "c2"]
        second = await app.get("/api/credits", limit=2, cursor=first["next_cursor"])
        assert ([row["id"] for row in second["data"]], second["next_cursor"]) == (["c1"], None)
        assert (await app.get("/api/credits", limit=3))["next_cursor"] is None


async def test_an_order_and_an_adjustment_are_what_they_are() -> None:
    async with console_app() as app:
        order = a_credit(5, credit_id="ord_0123456789abcdef", kind="order", reason="Order MC-7F3K2M")
        await credit(app, order, a_credit(6, kind="adjustment", amount=-(10**9)))
        taken, paid = (await app.get("/api/credits"))["data"]
        assert (taken["kind"], taken["amount"], taken["order_id"]) == ("adjustment", "-1.000000000", None)
        assert (paid["kind"], paid["order_id"]) == ("order", "ord_0123456789abcdef")


async def test_credits_of_one_moment_are_neither_lost_nor_shown_twice() -> None:
    async with console_app() as app:
        await credit(app, *(a_credit(number, created_ms=1_800_000_000_000) for number in range(1, 5)))
        found: list[str] = []
        cursor: dict[str, str] = {}
        for _ in range(4):
            page = await app.get("/api/credits", limit=1, **cursor)
            found += [row["id"] for row in page["data"]]
            cursor = {"cursor": page["next_cursor"]}
        assert sorted(found) == ["c1", "c2", "c3", "c4"]


@pytest.mark.parametrize(("params", "param"), [({"cursor": "x"}, "cursor"), ({"limit": 0}, "limit")])
async def test_a_wrong_question_is_refused_by_its_name(params: dict[str, Any], param: str) -> None:
    async with console_app() as app:
        assert assert_error(await app.ask("GET", "/api/credits", params=params), None, 400)["param"] == param


@pytest.mark.parametrize("path", ["/api/balance", "/api/credits"])
async def test_a_session_is_needed_and_the_database(path: str) -> None:
    async with console_app() as app:
        assert_error(await app.ask("GET", path, None), "session_required", 401)
        app.world.driver.failure = StoreUnavailable("down")
        assert_error(await app.ask("GET", path), "ledger_unavailable", 503)
