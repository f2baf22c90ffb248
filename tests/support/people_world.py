"""Accounts and sessions as deployed, over an in-memory DynamoDB and a user pool that can fail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
from fastapi import APIRouter
from starlette.datastructures import State
from starlette.responses import PlainTextResponse

from multiconnection.accounts import routes as accounts_routes
from multiconnection.accounts.models import CreditTerms
from multiconnection.accounts.store import ProfilesTable
from multiconnection.bootstrap.base import default_rates
from multiconnection.bootstrap.console import IdentityConfig, identity_services
from multiconnection.config import CreditMode, Settings
from multiconnection.errors import UsageNotFound
from multiconnection.identity import routes as identity_routes
from multiconnection.identity.attempts import AttemptQuotas
from multiconnection.identity.browser import ID_COOKIE, REFRESH_COOKIE, AdminDep, SessionDep, create_browser_app
from multiconnection.identity.id_tokens import IdTokens
from multiconnection.identity.models import IdentityProvider, account_id_of
from multiconnection.keys.service import KeyService
from multiconnection.keys.store import KeysTable
from multiconnection.ledger import items as ledger_items
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.ledger import Ledger, Margins
from multiconnection.ledger.models import Account, CreditRow, breaches
from multiconnection.limits.limiter import ConsoleQuota, Limiter
from multiconnection.limits.store import LimitsTable
from multiconnection.money import NANO_PER_USD
from multiconnection.ports import Clock
from multiconnection.web.app import Process
from tools.memory_dynamo.driver import MemoryDynamo

from .chat_world import ENVIRONMENT, TABLES, Alarms, ChatWorld, Queue
from .fake_cognito import CLIENT_ID, ISSUER, FakeCognito
from .limit_world import HandClock, SeededRng, WatchedDriver

HOST = "console.example"
ORIGIN = f"https://{HOST}"
IP = "192.0.2.7"
TEST_CREDIT_NANO = NANO_PER_USD // 2
guarded = APIRouter()


@guarded.get("/api/guarded")
async def read(session: SessionDep) -> dict[str, str]:
    return {"account_id": session.account_id}


@guarded.api_route("/api/guarded", methods=["POST", "PUT", "PATCH", "DELETE"])
async def write(session: SessionDep) -> dict[str, str]:
    return {"account_id": session.account_id}


@guarded.get("/api/guarded/admin")
async def administer(session: AdminDep) -> dict[str, str]:
    return {"account_id": session.account_id}


@guarded.get("/api/guarded/missing")
async def miss(_: SessionDep) -> None:
    raise UsageNotFound("There is no such row.")


@guarded.get("/api/guarded/stream")
async def stream(_: SessionDep) -> PlainTextResponse:
    return PlainTextResponse("a,b\n")


async def model_name(code: str) -> str:
    return code


class PeopleWorld:
    """One deployment; `processes` of it can share the tables. Make one inside a test."""

    def __init__(
        self,
        *,
        provider: IdentityProvider | None = None,
        id_tokens: IdTokens | None = None,
        clock: Clock | None = None,
        driver: WatchedDriver | None = None,
        quotas: AttemptQuotas | None = None,
        public_origins: frozenset[str] = frozenset(),
        test_credit_nano: int = TEST_CREDIT_NANO,
        mode: CreditMode = "automatic",
        answer_s: float = 0.0,
    ) -> None:
        self.hand = HandClock()
        self.clock = clock or self.hand
        self.cognito = FakeCognito(self.clock)
        self.provider = provider or self.cognito
        self.id_tokens = id_tokens or IdTokens(self.cognito.fetch, ISSUER, CLIENT_ID, self.clock)
        self.driver = driver or WatchedDriver(MemoryDynamo(TABLES))
        self.test_credit_nano = test_credit_nano
        self.alarms, self.rng = Alarms(), SeededRng(1)
        self.settings = Settings.of(ENVIRONMENT)
        self.ledger = Ledger(
            DynamoStore(self.driver, LedgerTables("balances", "usage", "credits")),
            Queue(),
            self.alarms,
            self.clock,
            self.rng,
            model_name,
            Margins(),
        )
        self.limiter = Limiter(
            LimitsTable(self.driver, "limits"), self.clock, default_rates(self.settings), self.alarms.alarm
        )
        self.keys = KeyService(KeysTable(self.driver, "keys", "balances"), self.ledger.store, self.clock, self.rng)
        config = IdentityConfig(
            CreditTerms(test_credit_nano, mode), quotas or AttemptQuotas(), public_origins, answer_s
        )
        self.identity = identity_services(
            self.provider,
            self.id_tokens,
            self.ledger,
            ProfilesTable(self.driver, "balances", "credits"),
            self.limiter,
            LimitsTable(self.driver, "limits"),
            self.keys,
            self.settings,
            self.alarms,
            self.clock,
            self.rng,
            config,
        )
        self.app = create_browser_app(self.set_up, [identity_routes.router, accounts_routes.router, guarded])

    def set_up(self, state: State) -> Process:
        """Accounts and sessions, and the console quota that every session needs."""
        process = ChatWorld().set_up(state)
        self.identity.put(state)
        state.clock = self.clock
        state.quota = ConsoleQuota(self.limiter)
        return replace(process, clock=self.clock)

    @asynccontextmanager
    async def browser(self, ip: str = IP, base_url: str = ORIGIN) -> AsyncIterator["Browser"]:
        transport = httpx.ASGITransport(app=self.app, client=(ip, 1234))
        async with httpx.AsyncClient(transport=transport, base_url=base_url) as http:
            yield Browser(http, base_url)

    async def account_of(self, email: str) -> Account:
        """The image of a user's account, with its invariants checked."""
        items = [item for item in self._memory().items("balances") if item.get("email") == {"S": email}]
        (image,) = [ledger_items.parse_account(item) for item in items]
        assert breaches(image) == []
        return image

    async def credits_of(self, user_id: str) -> list[CreditRow]:
        return [row async for row in self.ledger.store.credit_rows(account_id_of(user_id))]

    def _memory(self) -> MemoryDynamo:
        memory = self.driver.driver
        assert isinstance(memory, MemoryDynamo)
        return memory


class Browser:
    """Keeps cookies as a browser does and names the origin of its requests."""

    def __init__(self, http: httpx.AsyncClient, origin: str) -> None:
        self.http = http
        self.headers: dict[str, str] = {"x-mc-csrf": "1", "origin": origin, "sec-fetch-site": "same-origin"}

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(path, headers={"sec-fetch-site": "same-origin"})

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.request("POST", path, body)

    async def request(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.http.request(method, path, json=body, headers=self.headers)

    async def sign_in(self, email: str, password: str) -> httpx.Response:
        return await self.post("/api/auth/sign-in", {"email": email, "password": password})

    @property
    def id_token(self) -> str | None:
        return self.http.cookies.get(ID_COOKIE)

    @property
    def refresh_token(self) -> str | None:
        return self.http.cookies.get(REFRESH_COOKIE)

    def present(self, id_token: str | None = None, refresh_token: str | None = None) -> None:
        """Replace all cookies by these."""
        self.http.cookies.clear()
        for name, value in ((ID_COOKIE, id_token), (REFRESH_COOKIE, refresh_token)):
            if value is not None:
                self.http.cookies.set(name, value, domain=self.http.base_url.host, path="/")
