"""A deployment in which Ada has one of everything, beside Bob, who has nothing, and two administrators."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from multiconnection.ledger.models import CreditRow
from tests.audience.declared import Route
from tests.support.chat_world import MESSAGES
from tests.support.whole_world import Somebody, WholeWorld, whole_world

NOTE, KEY_NAME = "for the July invoice", "Ada's laptop"
ORDER = {
    "amount": "100.00",
    "currency": "USD",
    "method": "bank_transfer",
    "client_token": "a-client-token",
    "note": NOTE,
}
PNG = b"\x89PNG\r\n\x1a\n"
# As good as real ones, and nobody's.
MISSING = {
    "key_id": "zzzzzzzz",
    "request_id": "req_zzzzzzzzzzzz",
    "order_id": "ord_" + "z" * 16,
    "adjustment_id": "adj_" + "z" * 22,
    "account_id": "acct_" + "z" * 24,
    "model_id": "nobody-makes-it",
    "name": "nobody",
    "model": "nobody-makes-it",
    "view": "nowhere",
    "page": "nowhere",
}
_PARAMETER = re.compile(r"\{(\w+)(?::path)?\}")


@dataclass
class Scene:
    """`ids` are Ada's, and the deployment's, by the name of the path's parameter; `secrets` are for her eyes only."""

    world: WholeWorld
    ada: Somebody
    bob: Somebody
    root: Somebody
    second: Somebody
    ids: dict[str, str]
    key: str
    bobs_key: str
    deleted_key: str
    upload: str
    secrets: tuple[str, ...]

    def path(self, route: Route, ids: Mapping[str, str] | None = None) -> str:
        return filled(route.path, self.ids if ids is None else ids)

    async def ask(self, route: Route, headers: Mapping[str, str], **more: Any) -> httpx.Response:
        """With Ada's ids in the path, and a good body, unless `path` or another body is given."""
        path = more.pop("path", None) or self.path(route)
        return await self.world.ask(route.function, route.method, path, headers, **more)


def filled(path: str, ids: Mapping[str, str]) -> str:
    return _PARAMETER.sub(lambda found: ids[found[1]], path)


def parameters(path: str) -> list[str]:
    return [found[1] for found in _PARAMETER.finditer(path)]


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with whole_world() as world:
        yield await furnished(world)


async def furnished(world: WholeWorld) -> Scene:
    """The scene in a world that has nobody yet."""
    ada, bob = await world.somebody("ada"), await world.somebody("bob")
    root, second = [await world.somebody(name, groups=("admin",)) for name in ("root", "second")]
    key = await _made(world, ada, "/api/keys", {"name": KEY_NAME})
    gone = await _made(world, ada, "/api/keys", {"name": "lost"})
    await world.ask("account", "DELETE", f"/api/keys/{gone['id']}", ada.headers)
    bobs = await _made(world, bob, "/api/keys", {"name": "Bob's"})
    order = await _made(world, ada, "/api/orders", ORDER)
    await world.engine.settled()
    secrets = (ada.session.email, KEY_NAME, key["secret"], order["reference"], NOTE)
    ids = {
        "key_id": key["id"],
        "request_id": await _call(world, key["secret"]),
        "order_id": order["id"],
        "adjustment_id": await _adjustment(world, ada, root),
        "account_id": ada.account_id,
        "model_id": "m-1",
        "model": "m-1",
        "name": "one",
        "view": "keys",
        "page": "nowhere",
    }
    upload = await _upload(world, key["secret"])
    return Scene(world, ada, bob, root, second, ids, key["secret"], bobs["secret"], gone["secret"], upload, secrets)


async def _made(world: WholeWorld, who: Somebody, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    answer = await world.ask("account", "POST", path, who.headers, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def _call(world: WholeWorld, secret: str) -> str:
    body = {"model": "m-1", "messages": MESSAGES}
    answer = await world.ask("chat", "POST", "/v1/chat/completions", bearer(secret), json=body)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-request-id"]


async def _adjustment(world: WholeWorld, owner: Somebody, admin: Somebody) -> str:
    """One that waits for a second administrator."""
    body = {"amount": "150.00", "reason": "goodwill", "client_token": "an-adjustment"}
    path = f"/api/admin/accounts/{owner.account_id}/adjust"
    answer = await world.ask("admin", "POST", path, admin.headers, json=body)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["adjustment"]["id"]
    return found


async def _upload(world: WholeWorld, secret: str) -> str:
    """The reference to a picture that has arrived."""
    body = {"bytes": len(PNG), "content_type": "image/png"}
    made = (await world.ask("uploads", "POST", "/v1/uploads", bearer(secret), json=body)).json()
    assert await world.objects.upload(made["upload"]["url"], PNG, "image/png") == 200
    reference: str = made["reference"]
    return reference


async def credited(world: WholeWorld, account_id: str) -> list[CreditRow]:
    """Every movement of money into an account but its test credit."""
    return [row for row in await world.credits_of(account_id) if row.kind != "grant"]
