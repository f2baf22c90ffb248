"""The console's API over one ChatWorld: all real but the identity provider; a session is a cookie with a name."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from botocore.client import BaseClient
from fastapi import APIRouter
from starlette.datastructures import State

from multiconnection.bootstrap.console import ConsoleServices, console_services
from multiconnection.catalog.store import CatalogTable
from multiconnection.credits import routes as credits_routes
from multiconnection.errors import SessionRequired
from multiconnection.history import routes as history_routes
from multiconnection.history.store import UsageHistoryTable
from multiconnection.identity.browser import ID_COOKIE, BrowserAnswers, create_browser_app
from multiconnection.identity.models import Session
from multiconnection.identity.sessions import Current, Presented
from multiconnection.ids import id_bound, random_text
from multiconnection.keys import routes as keys_routes
from multiconnection.keys.store import KeysTable
from multiconnection.ledger.models import AccountLimits, UsageRow
from multiconnection.usage import Ended, Usage, UsageSource
from multiconnection.web.app import Process
from tools.memory_dynamo.driver import MemoryDynamo, TableKeys

from .chat_world import IP, ChatWorld, an_entry

ROUTERS = (keys_routes.router, credits_routes.router, history_routes.console_router, history_routes.export_router)
HOST = "https://gateway"
CSRF = {"x-mc-csrf": "1", "origin": HOST}


class Sessions:
    """A `Sessions` in which the ID token is the account id."""

    async def current(self, presented: Presented) -> Current:
        if presented.id_token is None:
            raise SessionRequired("Please sign in.")
        account_id = presented.id_token
        return Current(Session(account_id, f"{account_id}@example.com", account_id, is_admin=False, user_id=account_id))


class ConsoleWorld(ChatWorld):
    """With the catalog's versions in a table of their own: model m-1 at version 7, as `an_entry` has it."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.versions = MemoryDynamo({"catalog": TableKeys("pk", "sk")})
        self.published = CatalogTable(self.versions, "catalog")
        self.key_records = KeysTable(self.driver, "keys", "balances")
        self.console = self._console()

    def _console(self) -> ConsoleServices:
        return console_services(
            keys_table=self.key_records,
            ledger_store=self.ledger.store,
            usage_table=UsageHistoryTable(self.driver, "usage"),
            catalog_table=self.published,
            catalog=self.catalog,
            limiter=self.limiter,
            clock=self.clock,
            rng=self.rng,
        )

    def set_up(self, state: State) -> Process:
        process = super().set_up(state)
        state.sessions, state.public_origins = Sessions(), frozenset()
        self.console.put(state)
        return process

    async def accounts(self, *account_ids: str) -> None:
        for account_id in account_ids:
            await self.ledger.create_account(account_id, account_id, AccountLimits())

    def a_row(self, at_s: int, account_id: str = "a1", **changes: Any) -> UsageRow:
        """A complete call that arrived at `at_s`: 1,000 tokens in, 500 out, at $1 and $2 per million."""
        row: dict[str, Any] = {
            "account_id": account_id,
            "hold_id": id_bound(at_s) + random_text(self.rng, 6),
            "birth": 1,
            "hold": 10_000_000,
            "cost": 2_000_000,
            "overrun": 0,
            "key_id": "key00001",
            "model": "m-1",
            "price_version": 7,
            "usage": Usage(input=1000, output=500),
            "usage_source": UsageSource.UPSTREAM,
            "ended": Ended.COMPLETE,
            "decided_by": "gateway",
            "created_ms": at_s * 1000 + 2500,
            "provider": "one",
            "attempts": 1,
            "endpoint": "chat.completions",
            "streamed": True,
            "duration_ms": 2345,
        }
        return UsageRow(**row | changes)

    async def write(self, *rows: UsageRow) -> Sequence[UsageRow]:
        for row in rows:
            await self.ledger.store.decide(row)
        return rows


def create_usage_table(client: BaseClient) -> None:
    """For a world that is not in memory."""
    names = ("account_id", "request_id")
    client.create_table(  # type: ignore[attr-defined]
        TableName="usage",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": names[0], "KeyType": "HASH"}, {"AttributeName": names[1], "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
    )


@dataclass
class ConsoleApp:
    """Every request is a1's, with the header and origin of our own pages, unless `account` says otherwise."""

    world: ConsoleWorld
    http: httpx.AsyncClient

    async def ask(self, method: str, path: str, account: str | None = "a1", **more: Any) -> httpx.Response:
        headers = dict(CSRF) | more.pop("headers", {})
        if account is not None:
            headers["cookie"] = f"{ID_COOKIE}={account}"
        return await self.http.request(method, path, headers=headers, **more)

    async def get(self, path: str, account: str | None = "a1", **params: Any) -> Any:
        response = await self.ask("GET", path, account, params=params)
        assert response.status_code == 200, response.text
        assert response.headers["cache-control"] == "no-store"
        return response.json()

    async def new_key(self, account: str = "a1", **body: Any) -> dict[str, Any]:
        response = await self.ask("POST", "/api/keys", account, json={"name": "laptop"} | body)
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made


@asynccontextmanager
async def console_app(
    world: ConsoleWorld | None = None, routers: Sequence[APIRouter] = ROUTERS
) -> AsyncIterator[ConsoleApp]:
    """Accounts a1 and a2 exist."""
    world = world or ConsoleWorld()
    await world.accounts("a1", "a2")
    await world.published.publish([an_entry()])
    app: BrowserAnswers = create_browser_app(world.set_up, routers)
    async with AsyncExitStack() as stack:
        transport = httpx.ASGITransport(app=app, client=(IP, 1234))
        yield ConsoleApp(world, await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url=HOST)))
