"""Another's id is answered exactly like one that nobody has, wherever an id can be sent."""

import uuid
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from multiconnection.orders.models import OrderStatus
from tests.audience.answers import assert_sound, outcome
from tests.audience.bodies import good
from tests.audience.declared import DECLARED, ROUTES, Route, routes_for
from tests.audience.scene import KEY_NAME, MISSING, Scene, bearer, parameters, scene
from tests.support.chat_world import MESSAGES
from tests.support.whole_world import OURS, cookies

# By path parameter: things that belong to one account. The others are the deployment's, or of the public pages.
OWNED = {"key_id", "request_id", "order_id"}
DEPLOYMENTS = {"model", "model_id", "name", "view", "page", "account_id", "adjustment_id"}
OF_SOMEBODY = [route for route in routes_for("session", "api_key") if OWNED & set(parameters(route.path))]
ADMINS = [route for route in routes_for("admin") if parameters(route.path)]
UPLOADED = "upload://upl_" + "z" * 22


def test_every_parameter_is_somebodys_or_the_deployments() -> None:
    """A new one has to be put into one of the two sets."""
    assert {name for route in ROUTES for name in parameters(route.path)} == OWNED | DEPLOYMENTS
    owned = [route for route in ROUTES if OWNED & set(parameters(route.path))]
    assert {DECLARED[route] for route in owned} == {"session", "api_key", "admin"}


def comparable(response: httpx.Response, *ids: str) -> tuple[int, str, dict[str, str]]:
    """All that a stranger sees, but for what is of the single request and for the id that was sent."""
    changing = {"x-request-id", "content-length"}
    headers = {
        name: value
        for name, value in response.headers.items()
        if name not in changing and not name.startswith("x-ratelimit-")
    }
    text = response.text
    for each in ids:
        text = text.replace(each, "ID")
    return response.status_code, text, headers


async def strangers(scene: Scene) -> list[tuple[str, Mapping[str, str]]]:
    """Bob, with his session or his key; an administrator is a stranger too outside /api/admin."""
    forged = {**OURS, **cookies(scene.ada.tokens.id_token[:-4] + "AAAA", scene.bob.tokens.refresh_token)}
    return [("bob", scene.bob.headers), ("root", scene.root.headers), ("bob, renewed", forged)]


@pytest.mark.parametrize("route", OF_SOMEBODY, ids=str)
async def test_a_strangers_id_is_like_a_missing_one(route: Route) -> None:
    async with scene() as world:
        before = world.world.state()
        who = [("bob", bearer(world.bobs_key))] if DECLARED[route] == "api_key" else await strangers(world)
        (name,) = parameters(route.path)
        for label, headers in who:
            real = await world.ask(route, headers, **good(world, route))
            missing = await world.ask(route, headers, path=world.path(route, MISSING), **good(world, route))
            assert real.status_code == 404, label
            pair = [comparable(answer, world.ids[name], MISSING[name]) for answer in (real, missing)]
            if label == "bob, renewed":
                # Each of these answers renews the session once more.
                pair = [(status, text, {**headers, "set-cookie": ""}) for status, text, headers in pair]
            assert pair[0] == pair[1], label
            assert world.world.state() == before, label
        assert_sound(world.world.answers)


@pytest.mark.parametrize("route", ADMINS, ids=str)
async def test_what_is_missing_is_missing_for_administrators(route: Route) -> None:
    async with scene() as world:
        before = world.world.state()
        answer = await world.ask(route, world.second.headers, path=world.path(route, MISSING), **good(world, route))
        status, code = outcome(answer)
        assert status == 404
        assert code is not None
        assert code.endswith("_not_found")
        assert world.world.state() == before
        assert_sound(world.world.answers)


async def test_an_old_secret_of_a_rotated_key_is_its_owners_alone() -> None:
    async with scene() as world:
        rotate = Route("account", "POST", "/api/keys/{key_id}/rotate")
        old = (await world.ask(rotate, world.ada.headers, json={"overlap_s": 60})).json()["old"]["id"]
        assert old != world.ids["key_id"]
        before = world.world.state()
        delete = Route("account", "DELETE", "/api/keys/{key_id}")
        answer = await world.ask(delete, world.bob.headers, path=f"/api/keys/{old}")
        assert outcome(answer) == (404, "key_not_found")
        assert world.world.state() == before
        assert (await world.ask(delete, world.ada.headers, path=f"/api/keys/{old}")).status_code == 204


CURSORS = ["/api/usage", "/api/credits", "/api/orders"]


@pytest.mark.parametrize("path", CURSORS)
async def test_a_cursor_from_another_account_opens_nothing(path: str) -> None:
    async with scene() as world:
        order, hold = world.ids["order_id"], world.ids["request_id"].removeprefix("req_")
        (credit,) = await world.world.credits_of(world.ada.account_id)
        cursor = {"/api/orders": order, "/api/usage": hold, "/api/credits": f"{credit.created_ms + 1}.a"}[path]
        answer = await world.world.ask("account", "GET", f"{path}?cursor={cursor}", world.bob.headers)
        assert answer.status_code == 200
        assert_only_bobs(world, answer.json())


@pytest.mark.parametrize(
    "query",
    ["/api/usage?key_id={key_id}", "/api/usage?model=m-1", "/api/usage/summary?group=key", "/api/usage.csv?model=m-1"],
)
async def test_a_filter_by_anothers_key_finds_nothing(query: str) -> None:
    """And no name of a key either."""
    async with scene() as world:
        function = "export" if ".csv" in query else "account"
        path = query.format(**world.ids)
        bobs = await world.world.ask(function, "GET", path, world.bob.headers)
        assert bobs.status_code == 200
        assert_only_bobs(world, bobs.text)
        hers = (await world.world.ask(function, "GET", path, world.ada.headers)).text
        assert world.ids["request_id"] in hers or KEY_NAME in hers, "it would find something"


@pytest.mark.parametrize("extra", ["account_id={account_id}", "user_id=x&account={account_id}", "is_admin=true"])
@pytest.mark.parametrize("path", ["/api/account", "/api/balance", "/api/keys", "/api/usage", "/api/orders"])
async def test_an_account_in_the_query_or_a_header_is_nobodys_business(path: str, extra: str) -> None:
    async with scene() as world:
        headers = {**world.bob.headers, "x-account-id": world.ada.account_id, "x-user-id": world.ada.person.user_id}
        plain = await world.world.ask("account", "GET", path, world.bob.headers)
        asked = await world.world.ask("account", "GET", f"{path}?{extra.format(**world.ids)}", headers)
        assert asked.json() == plain.json()
        assert_only_bobs(world, asked.text)


async def test_anothers_upload_is_like_a_missing_one() -> None:
    async with scene() as world:
        route = Route("chat", "POST", "/v1/chat/completions")
        answers = []
        for reference in (world.upload, UPLOADED):
            part = {"type": "image_url", "image_url": {"url": reference}}
            body = {"model": "m-1", "messages": [{"role": "user", "content": [part]}]}
            before = world.world.state()
            answers.append(await world.ask(route, bearer(world.bobs_key), json=body))
            assert world.world.state() == before
        assert outcome(answers[0]) == (404, "upload_not_found")
        texts = [
            answer.text.replace(each, "ID") for answer, each in zip(answers, (world.upload, UPLOADED), strict=True)
        ]
        assert texts[0] == texts[1]


async def test_the_same_client_token_is_another_order_for_another_account() -> None:
    async with scene() as world:
        route = Route("account", "POST", "/api/orders")
        body = {"amount": "50.00", "currency": "USD", "method": "bank_transfer", "client_token": "a-client-token"}
        answer = await world.ask(route, world.bob.headers, json=body)
        assert answer.status_code == 201
        assert answer.json()["id"] != world.ids["order_id"]
        assert (await world.ask(route, world.ada.headers, json=body)).status_code == 409


async def test_a_forged_id_token_beside_a_good_refresh_token_is_who_the_refresh_token_says() -> None:
    async with scene() as world:
        forged = cookies(world.root.tokens.id_token[:-4] + "AAAA", world.bob.tokens.refresh_token)
        answer = await world.world.ask("account", "GET", "/api/account", {**OURS, **forged})
        assert (answer.json()["account_id"], answer.json()["is_admin"]) == (world.bob.account_id, False)
        answer = await world.world.ask("admin", "GET", "/api/admin/accounts", {**OURS, **forged})
        assert outcome(answer) == (403, "admin_forbidden")


async def test_who_was_never_signed_in_before_sees_an_empty_account() -> None:
    """Nothing of anybody is the default of anything."""
    async with scene() as world:
        carol = await world.world.somebody(f"carol-{uuid.uuid4()}")
        for path in ("/api/keys", "/api/usage", "/api/orders"):
            answer = await world.world.ask("account", "GET", path, carol.headers)
            assert answer.json() == {"object": "list", "data": [], "next_cursor": None}


async def test_an_order_is_approved_by_what_it_is_and_not_by_what_is_sent() -> None:
    """Amount, account and order have to fit together; nothing is taken from the request."""
    async with scene() as world:
        route = Route("admin", "POST", "/api/admin/orders/{order_id}/approve")
        before = world.world.state()
        for body in (
            {"amount": "1000.00", "account_id": world.ada.account_id},
            {"amount": "100.00", "account_id": world.bob.account_id},
            {"amount": "100.01", "account_id": world.ada.account_id},
            {"amount": "-100.00", "account_id": world.ada.account_id},
        ):
            answer = await world.ask(route, world.second.headers, json=body)
            assert answer.status_code in (400, 409), answer.text
        await world.world.engine.settled()
        assert world.world.state() == before
        found = await world.world.ask("account", "GET", f"/api/orders/{world.ids['order_id']}", world.ada.headers)
        assert found.json()["status"] == OrderStatus.IN_REVIEW


def assert_only_bobs(scene: Scene, found: Any) -> None:
    text = str(found)
    hers = [scene.ids[name] for name in ("key_id", "request_id", "order_id")]
    assert [each for each in (*scene.secrets, *hers) if each in text] == []


async def test_the_owner_finds_all_of_it() -> None:
    """Otherwise the tests above would prove that nothing works."""
    async with scene() as world:
        for route in OF_SOMEBODY:
            if route.method == "GET" and DECLARED[route] == "session":
                assert (await world.ask(route, world.ada.headers)).status_code == 200, str(route)
        chat = Route("chat", "POST", "/v1/chat/completions")
        part = {"type": "image_url", "image_url": {"url": world.upload}}
        body = {"model": "m-1", "messages": [*MESSAGES, {"role": "user", "content": [part]}]}
        assert (await world.ask(chat, bearer(world.key), json=body)).status_code == 200
