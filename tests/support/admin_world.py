"""Administration with everything around it: its tables, the catalog, people, metrics, two administrators."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI
from starlette.datastructures import State

from multiconnection.accounts import routes as accounts_routes
from multiconnection.accounts.store import ProfilesTable
from multiconnection.audit import routes as audit_routes
from multiconnection.audit.log import AuditedWrites, AuditFilter
from multiconnection.aws.dynamo import Driver
from multiconnection.bootstrap.admin import Administration, put_admin
from multiconnection.catalog import admin_routes
from multiconnection.catalog.health import MetricsUnavailable, ProviderFigures
from multiconnection.catalog.service import CatalogService, never_changing
from multiconnection.catalog.store import AdminCatalogTable
from multiconnection.config import Settings
from multiconnection.credits import routes as credits_routes
from multiconnection.identity import browser
from multiconnection.identity.models import PeoplePage, Session, account_id_of
from multiconnection.ids import id_bound, random_text
from multiconnection.keys.service import KeyService
from multiconnection.keys.store import KeysTable
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.jobs import Maintenance
from multiconnection.ledger.ledger import Ledger, Margins
from multiconnection.ledger.models import Account, AccountLimits, CreditRow, UsageRow
from multiconnection.money import NANO_PER_USD
from multiconnection.ports import Clock
from multiconnection.reports import routes as reports_routes
from multiconnection.reports.store import ReportsTable
from multiconnection.retry import OutcomeUnknown, StoreError
from multiconnection.usage import Ended, Usage, UsageSource
from multiconnection.web import errors as web_errors
from tools.memory_dynamo.driver import MemoryDynamo, TableKeys

from .chat_world import ENVIRONMENT, Alarms, Queue, an_entry
from .chat_world import TABLES as CHAT_TABLES
from .fake_upstream import a_provider
from .limit_world import SeededRng
from .order_keys import ORDER_KEYS
from .virtual_time import LoopClock

TABLES = CHAT_TABLES | {
    "orders": ORDER_KEYS,
    "catalog": TableKeys("pk", "sk"),
    "audit": TableKeys("audit_month", "entry_id"),
    "reports": TableKeys("pk", "sk"),
    "adjustments": TableKeys(
        "adjustment_id", indexes={"by_status": ("status", "listed_as")}, full_indexes=frozenset({"by_status"})
    ),
}
ROUTERS: tuple[APIRouter, ...] = (
    accounts_routes.admin_router,
    credits_routes.admin_router,
    admin_routes.router,
    reports_routes.router,
    audit_routes.router,
)
ADMIN = Session("acct_admin", "admin@example.com", "Admin", True, "u-admin")
SECOND = Session("acct_second", "second@example.com", "Second", True, "u-second")
USER = Session(account_id_of("u-user"), "user@example.com", "User", False, "u-user")
SETTINGS = Settings.of({**ENVIRONMENT, "TEST_CREDIT_MODE": "approval"})
FUNDS = 50 * NANO_PER_USD


@dataclass
class FaultyDriver:
    """Gives way around each call; the next calls of an operation fail, before or after they were executed."""

    driver: Driver
    calls: list[str] = field(default_factory=list)
    planned: dict[str, list[tuple[StoreError, bool]]] = field(default_factory=dict)

    def fail(self, operation: str, error: StoreError, times: int = 1) -> None:
        self.planned.setdefault(operation, []).extend([(error, False)] * times)

    def lose_reply(self, operation: str, times: int = 1) -> None:
        self.planned.setdefault(operation, []).extend([(OutcomeUnknown("lost"), True)] * times)

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append(operation)
        await asyncio.sleep(0)
        planned = self.planned.get(operation)
        if not planned:
            answer = await self.driver.call(operation, payload)
            await asyncio.sleep(0)
            return answer
        error, executed = planned.pop(0)
        if executed:
            await self.driver.call(operation, payload)
        raise error


@dataclass
class PeopleList:
    """Implements `People`: (e-mail address, user id)."""

    people: list[tuple[str, str]] = field(default_factory=list)

    async def search(self, prefix: str, limit: int, after: str | None) -> PeoplePage:
        found = [user_id for email, user_id in self.people if email.startswith(prefix)]
        start = int(after or 0)
        more = str(start + limit) if len(found) > start + limit else None
        return PeoplePage(found[start : start + limit], more)


@dataclass
class Measured:
    """Implements `ProviderMetrics`."""

    found: dict[str, ProviderFigures] = field(default_factory=dict)
    down: bool = False
    readings: int = 0

    async def figures(self, names: Sequence[str], since_s: int, until_s: int) -> Mapping[str, ProviderFigures]:
        self.readings += 1
        if self.down:
            raise MetricsUnavailable("no answer")
        return self.found


class AdminWorld:
    """Make one inside a test; `processes` of it can share the tables."""

    def __init__(self, driver: Driver | None = None, clock: Clock | None = None, seed: int = 1) -> None:
        self.driver = FaultyDriver(driver or MemoryDynamo(TABLES))
        self.clock, self.rng, self.alarms = clock or LoopClock(), SeededRng(seed), Alarms()
        self.people, self.metrics = PeopleList([(USER.email, USER.user_id)]), Measured()
        self.published = AdminCatalogTable(self.driver, "catalog", AuditedWrites(self.driver, "audit"))
        self.configured = {name: a_provider(name) for name in ("one", "two")}
        self.catalog = CatalogService(self.published, self.configured, self.clock, self.alarms, 60)
        self.ledger = Ledger(
            DynamoStore(self.driver, LedgerTables("balances", "usage", "credits")),
            Queue(),
            self.alarms,
            self.clock,
            self.rng,
            self.catalog.model_name,
            Margins(),
        )
        self.keys = KeyService(KeysTable(self.driver, "keys", "balances"), self.ledger.store, self.clock, self.rng)
        self.maintenance = Maintenance(self.ledger, self.clock, self.alarms)
        self.administration = Administration(SETTINGS, self.driver, self.ledger, self.clock, self.rng)
        self.log, self.entries = self.administration.log, self.administration.entries
        self.reports = ReportsTable(self.driver, "reports")
        self.accounts = self.administration.accounts(self.keys, self.people)
        self.adjustments = self.administration.adjustments()
        self.prices = self.administration.models()
        self.providers = self.administration.providers(
            ("one", "two", "three"), self.configured, never_changing, self.metrics
        )
        self.revenue = self.administration.revenue()
        self.reconciliation = self.administration.reconciliation(self.maintenance)
        self.audit = self.administration.trail()
        self.daily = self.administration.daily(self.maintenance, self.alarms)

    def put(self, state: State) -> None:
        put_admin(state, self.administration, self.keys, self.people, self.providers, self.maintenance)

    async def open(self, who: Session = USER, funds: int = FUNDS) -> str:
        """An account with an owner and money; its id."""
        await self.ledger.create_account(who.account_id, who.name, AccountLimits())
        await ProfilesTable(self.driver, "balances", "credits").remember(who.account_id, who.email, who.name)
        if funds:
            await self.ledger.credit(CreditRow(who.account_id, "opening", funds, "grant", "", "system", 0))
        return who.account_id

    async def publish(self, *entries: Mapping[str, Any]) -> None:
        await self.published.publish(entries or [an_entry()])

    async def image(self, account_id: str = USER.account_id) -> Account:
        image = await self.ledger.store.account(account_id)
        assert image is not None
        return image

    async def credit_rows(self, account_id: str = USER.account_id) -> list[CreditRow]:
        return [row async for row in self.ledger.store.credit_rows(account_id) if row.credit_id != "opening"]

    async def actions(self) -> list[str]:
        """Of the log, oldest first."""
        page = await self.audit.page(None, AuditFilter(), 100)
        return [entry.action for entry in reversed(page.entries)]

    async def called(self, at_s: int, account_id: str = USER.account_id, **changes: Any) -> UsageRow:
        """A call of m-1 at version 7: 1,000 tokens in and 500 out, $0.002 by the list, charged at $0.003."""
        row: dict[str, Any] = {
            "account_id": account_id,
            "hold_id": id_bound(at_s) + random_text(self.rng, 6),
            "birth": 1,
            "hold": 10_000_000,
            "cost": 3_000_000,
            "overrun": 0,
            "key_id": "key00001",
            "model": "m-1",
            "price_version": 7,
            "usage": Usage(input=1000, output=500),
            "usage_source": UsageSource.UPSTREAM,
            "ended": Ended.COMPLETE,
            "decided_by": "gateway",
            "created_ms": at_s * 1000 + 2500,
        }
        made = UsageRow(**row | changes)
        await self.ledger.store.decide(made)
        return made


class AdminApp:
    """The routes over one world; `user` is the signed-in one."""

    def __init__(self, world: AdminWorld) -> None:
        self.world, self.user = world, ADMIN
        app = FastAPI()
        web_errors.install(app)
        for router in ROUTERS:
            app.include_router(router)
        world.put(app.state)
        app.dependency_overrides[browser.session] = lambda: self.user
        self.app = app
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://console")

    async def call(self, method: str, path: str, body: object = None, user: Session = ADMIN) -> httpx.Response:
        self.user = user
        return await self.http.request(method, f"/api/admin/{path}", json=body)

    async def get(self, path: str) -> Any:
        response = await self.call("GET", path)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, path: str, body: object = None, user: Session = ADMIN) -> Any:
        response = await self.call("POST", path, body, user)
        assert response.status_code == 200, response.text
        return response.json()

    async def refused(
        self, path: str, body: object = None, user: Session = ADMIN, method: str = "POST"
    ) -> tuple[int, str | None, dict[str, Any]]:
        """Status, code and the whole error."""
        response = await self.call(method, path, body, user)
        error: dict[str, Any] = response.json()["error"]
        assert {"message", "type", "param", "code"} <= error.keys()
        return response.status_code, error["code"], error
