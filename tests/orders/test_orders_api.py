"""The order routes: who may call them, what they answer, and that nothing secret is in it."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from multiconnection.bootstrap.orders import put_orders
from multiconnection.config import BankDetail
from multiconnection.identity import browser
from multiconnection.identity.models import Session
from multiconnection.ledger.ledger import Standing
from multiconnection.money import NANO_PER_USD
from multiconnection.orders import routes as orders_routes
from multiconnection.orders.models import OrderStatus
from multiconnection.orders.schemas import OrderOptionsAnswer
from multiconnection.web import errors as web_errors
from tests.support.orders_world import ADMIN, OTHER, SECOND_ADMIN, TERMS, TTL_S, USER, OrdersWorld
from tests.support.virtual_time import START_S

pytestmark = pytest.mark.virtual_time


BODY = {"amount": "100.00", "currency": "SGD", "method": "bank_transfer", "client_token": "a-client-token"}
APPROVAL = {"amount": "100.00", "account_id": USER.account_id}
START = int(START_S)


class Console:
    """The routes over one world; `user` is the signed-in one."""

    def __init__(self, world: OrdersWorld) -> None:
        self.world, self.user = world, USER
        app = FastAPI()
        web_errors.install(app)
        app.include_router(orders_routes.router)
        app.include_router(orders_routes.admin_router)
        put_orders(app.state, world.access, TERMS, world.objects)
        app.state.decisions = world.decisions
        app.state.standing = Standing(world.ledger.store)
        app.dependency_overrides[browser.session] = self._session
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://console")

    async def call(self, method: str, path: str, body: object = None, user: Session = USER) -> httpx.Response:
        self.user = user
        return await self.http.request(method, path, json=body)

    # A coroutine: while a thread works, virtual time would run away.
    async def _session(self) -> Session:
        return self.user

    async def order(self) -> dict[str, Any]:
        """An order in review, as its owner sees it."""
        order_id = (await self.call("POST", "/api/orders", BODY)).json()["id"]
        await self.world.engine.settled()
        found: dict[str, Any] = (await self.call("GET", f"/api/orders/{order_id}")).json()
        return found


@pytest.fixture
async def console() -> AsyncIterator[Console]:
    world = OrdersWorld()
    await world.open_account()
    console = Console(world)
    async with console.http:
        yield console
    await world.stop()


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert {"message", "type", "param", "code"} <= error.keys()
    return error


async def test_a_new_order_is_201_and_the_same_again_200(console: Console) -> None:
    created = await console.call("POST", "/api/orders", {**BODY, "note": "July"})
    assert created.status_code == 201
    order = created.json()
    assert order.pop("id").startswith("ord_")
    assert order.pop("reference").startswith("MC-")
    assert order == {
        "object": "order",
        "amount": "100.00",
        "currency": "SGD",
        "rate": "0.74",
        "credit": "74.000000000",
        "method": "bank_transfer",
        "status": "submitted",
        "note": "July",
        "created": START,
        "expires_at": START + TTL_S,
        "receipt": None,
        "timeline": [{"status": "submitted", "at": START, "by": "you"}],
        "reason": None,
    }
    again = await console.call("POST", "/api/orders", BODY)
    assert (again.status_code, again.json()["id"]) == (200, created.json()["id"])
    listed = (await console.call("GET", "/api/orders")).json()
    assert listed == {"object": "list", "data": [again.json()], "next_cursor": None}


async def test_the_timeline_says_who_without_names(console: Console) -> None:
    order = await console.order()
    path = f"/api/admin/orders/{order['id']}/reject"
    assert (await console.call("POST", path, {"reason": "nothing arrived"}, ADMIN)).status_code == 200
    rejected = (await console.call("GET", f"/api/orders/{order['id']}")).json()
    assert [(event["status"], event["by"], event.get("reason")) for event in rejected["timeline"]] == [
        ("submitted", "you", None),
        ("in_review", "system", None),
        ("rejected", "administrator", "nothing arrived"),
    ]
    assert rejected["reason"] == "nothing arrived"
    assert ADMIN.email not in json.dumps(rejected)


async def test_no_answer_has_the_task_token(console: Console) -> None:
    order = await console.order()
    token = (await console.world.store.get(order["id"])).token  # type: ignore[union-attr]
    assert token
    for path, user in (
        ("/api/orders", USER),
        (f"/api/orders/{order['id']}", USER),
        ("/api/admin/orders", ADMIN),
        (f"/api/admin/orders/{order['id']}", ADMIN),
    ):
        answer = await console.call("GET", path, user=user)
        assert answer.status_code == 200
        assert token not in answer.text


async def test_options_tell_what_can_be_ordered_and_where_to_pay(console: Console) -> None:
    options = (await console.call("GET", "/api/orders/options")).json()
    assert options["currencies"][1] == {"code": "SGD", "rate": "1 SGD = 0.74 USD", "usd_per_unit": "0.74"}
    assert (options["amount_min"], options["amount_max"]) == ("5.000000000", "1000.000000000")
    assert options["methods"] == ["bank_transfer", "enterprise_contract"]
    assert options["legal_entity"] == "MULTIVERSE CONNECTION TECHNOLOGY PTE. LTD."
    assert (options["bank_details"], options["order_ttl_s"]) == (None, TTL_S)
    with_bank = OrderOptionsAnswer.of(replace(TERMS, bank_details=(BankDetail("IBAN", "SG1"),)))
    assert with_bank.model_dump()["bank_details"] == [{"label": "IBAN", "value": "SG1"}]


async def test_an_order_is_approved_by_an_administrator_and_credited_by_the_workflow(console: Console) -> None:
    order = await console.order()
    queue = (await console.call("GET", "/api/admin/orders", user=ADMIN)).json()["data"]
    assert queue[0]["account"] == {
        "id": USER.account_id,
        "email": USER.email,
        "balance": "0.000000000",
        "credits_total": "0.000000000",
        "orders_count": 1,
        "status": "active",
    }
    approved = await console.call("POST", f"/api/admin/orders/{order['id']}/approve", APPROVAL, ADMIN)
    assert (approved.status_code, approved.json()["status"]) == (200, "approved")
    assert approved.json()["decided_by"] == ADMIN.email
    await console.world.engine.settled()
    assert (await console.call("GET", f"/api/orders/{order['id']}")).json()["status"] == "credited"
    assert (await console.world.image()).available == 74 * NANO_PER_USD
    listed = await console.call("GET", "/api/admin/orders?status=credited", user=ADMIN)
    assert listed.json()["data"][0]["account"]["balance"] == "74.000000000"


@pytest.mark.parametrize("reason", ["", "paid \u202e001", "a\x00b", "x" * 501])
async def test_a_reason_that_is_none_is_400(console: Console, reason: str) -> None:
    order = await console.order()
    answer = await console.call("POST", f"/api/admin/orders/{order['id']}/reject", {"reason": reason}, ADMIN)
    assert (answer.status_code, error_of(answer)["param"]) == (400, "reason")
    assert (await console.call("GET", f"/api/orders/{order['id']}")).json()["status"] == "in_review"


async def test_a_late_decision_is_a_409_that_says_not_to_retry(console: Console) -> None:
    order = await console.order()
    path = f"/api/admin/orders/{order['id']}"
    await console.call("POST", f"{path}/approve", APPROVAL, ADMIN)
    late = await console.call("POST", f"{path}/reject", {"reason": "no"}, SECOND_ADMIN)
    assert (late.status_code, late.headers["x-should-retry"]) == (409, "false")
    error = error_of(late)
    assert (error["code"], error["decided_by"]) == ("order_not_pending", ADMIN.email)
    assert error["status"] in ("approved", "credited")
    assert isinstance(error["decided_at"], int)


@pytest.mark.parametrize(
    ("body", "user", "status", "code"),
    [
        (APPROVAL, replace(USER, is_admin=True), 403, "self_approval_forbidden"),
        (APPROVAL, OTHER, 403, "admin_forbidden"),
        ({**APPROVAL, "amount": "1000.00"}, ADMIN, 409, "order_amount_mismatch"),
        ({**APPROVAL, "account_id": "acct_x"}, ADMIN, 409, "order_amount_mismatch"),
        ({**APPROVAL, "amount": 100}, ADMIN, 400, None),
        ({**APPROVAL, "credit": "1000"}, ADMIN, 400, None),
        ({**APPROVAL, "note": "\x1b[2K"}, ADMIN, 400, None),
        ({"amount": "100.00"}, ADMIN, 400, "missing_required_parameter"),
        ([], ADMIN, 400, None),
    ],
)
async def test_an_approval_that_is_none(
    console: Console, body: object, user: Session, status: int, code: str | None
) -> None:
    order = await console.order()
    answer = await console.call("POST", f"/api/admin/orders/{order['id']}/approve", body, user)
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)
    await console.world.engine.settled()
    found = await console.world.store.get(order["id"])
    assert found is not None
    assert found.status is OrderStatus.IN_REVIEW


@pytest.mark.parametrize(
    "changed",
    [
        *({"amount": 100}, {"amount": None}, {"currency": "sgd"}, {"client_token": "short"}, {"credit": "1"}),
        *({"rate": "9"}, {"account_id": "acct_x"}, {"status": "approved"}, {"method": "x"}, {"note": "x" * 501}),
        *({"note": "paid \u202e001"}, {"note": "a\x00b"}),
    ],
)
async def test_a_body_that_is_no_order_is_400(console: Console, changed: dict[str, Any]) -> None:
    answer = await console.call("POST", "/api/orders", BODY | changed)
    assert answer.status_code == 400
    assert error_of(answer)["param"] == next(iter(changed))
    assert console.world.tables.items("Orders") == []


async def test_a_receipt_goes_to_the_bucket_and_is_seen_by_the_administrator(console: Console) -> None:
    order = await console.order()
    path = f"/api/orders/{order['id']}/receipt"
    wanted = {"content_type": "application/pdf", "bytes": 4, "filename": "paid.pdf"}
    upload = (await console.call("POST", path, wanted)).json()
    assert upload["upload"]["method"] == "PUT"
    assert upload["upload"]["headers"] == {"content-type": "application/pdf", "content-length": "4"}
    assert error_of(await console.call("POST", f"{path}/done"))["code"] == "order_conflict"
    assert await console.world.objects.upload(upload["upload"]["url"], b"paid", "application/pdf") == 200
    done = (await console.call("POST", f"{path}/done")).json()
    assert done["receipt"]["content_type"] == "application/pdf"
    seen = (await console.call("GET", f"/api/admin/orders/{order['id']}", user=ADMIN)).json()
    assert await console.world.objects.upload(upload["upload"]["url"], b"else", "application/pdf") == 200
    assert await console.world.objects.download(seen["receipt_url"]) == b"paid"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/orders/{id}"),
        ("POST", "/api/orders/{id}/cancel"),
        ("POST", "/api/orders/{id}/receipt"),
        ("POST", "/api/orders/{id}/receipt/done"),
    ],
)
async def test_another_users_order_is_a_missing_one(console: Console, method: str, path: str) -> None:
    order = await console.order()
    body = {"content_type": "image/png", "bytes": 4}
    messages = set()
    for order_id in (order["id"], "ord_" + "0" * 16):
        answer = await console.call(method, path.format(id=order_id), body, OTHER)
        assert answer.status_code == 404
        messages.add(answer.text.replace(order_id, "ID"))
    assert len(messages) == 1
    assert (await console.call("GET", "/api/orders", user=OTHER)).json()["data"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor="])
async def test_a_page_that_is_none_is_400(console: Console, query: str) -> None:
    for path, user in (("/api/orders", USER), ("/api/admin/orders", ADMIN)):
        answer = await console.call("GET", f"{path}?{query}", user=user)
        assert (answer.status_code, error_of(answer)["param"]) == (400, query.partition("=")[0])


async def test_pages_follow_each_other(console: Console) -> None:
    for number in range(3):
        await console.call("POST", "/api/orders", {**BODY, "client_token": f"client-token-{number}"})
    await console.world.engine.settled()
    for path, user in (("/api/orders", USER), ("/api/admin/orders", ADMIN)):
        first = (await console.call("GET", f"{path}?limit=2", user=user)).json()
        second = (await console.call("GET", f"{path}?limit=2&cursor={first['next_cursor']}", user=user)).json()
        ids = [order["id"] for order in first["data"] + second["data"]]
        assert (len(set(ids)), second["next_cursor"]) == (3, None)


def calls_of(route: APIRoute) -> set[object]:
    todo, found = [route.dependant], set[object]()
    while todo:
        dependant = todo.pop()
        found.add(dependant.call)
        todo.extend(dependant.dependencies)
    return found


@pytest.mark.parametrize(
    ("router", "audience"),
    [(orders_routes.router, browser.session), (orders_routes.admin_router, browser.admin_session)],
)
def test_no_route_is_without_its_audience(router: Any, audience: object) -> None:
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    assert len(routes) == len(router.routes) > 3
    assert all(audience in calls_of(route) for route in routes)
