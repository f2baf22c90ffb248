"""Every function's real app over one deployment in memory: tables, user pool, workflow, payload bucket, providers."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, SupportsIndex

import httpx
import orjson
from starlette.datastructures import State

from local.lifespans import Lifespan
from multiconnection.accounts.models import CreditTerms
from multiconnection.accounts.store import ProfilesTable
from multiconnection.aws.dynamo import Driver, RequestRejected
from multiconnection.bootstrap.console import IdentityConfig, IdentityServices, identity_services
from multiconnection.bootstrap.orders import put_orders
from multiconnection.identity.attempts import AttemptQuotas
from multiconnection.identity.browser import ID_COOKIE, REFRESH_COOKIE
from multiconnection.identity.id_tokens import IdTokens
from multiconnection.identity.models import Session, Tokens
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.models import Account, CreditRow
from multiconnection.limits.store import LimitsTable
from multiconnection.orders.decisions import OrderDecisions
from multiconnection.orders.models import NoticeFailed
from multiconnection.orders.receipts import receipt_url
from multiconnection.orders.service import OrderAccess
from multiconnection.orders.store import OrderCredits, OrdersTable
from multiconnection.orders.workflow import RechargeSteps
from multiconnection.providers.errors import TransportFailure
from multiconnection.site.pages import SiteService
from multiconnection.web.app import Process, SetUp
from tools.memory_dynamo.driver import MemoryDynamo

from .admin_world import TABLES, AdminWorld
from .asl import TaskFailed
from .chat_world import ChatWorld, a_model, an_entry
from .console_world import ConsoleWorld
from .fake_cognito import CLIENT_ID, ISSUER, FakeCognito, Person
from .fake_http import FakeReply, json_reply
from .fake_workflow import Engine, FakeWorkflow
from .function_apps import process_of
from .orders_world import TERMS, TTL_S, Mailbox
from .people_world import TEST_CREDIT_NANO
from .site_app import CONFIG, States

HOST = "console.example"
ORIGIN = f"https://{HOST}"
IP = "192.0.2.9"
PASSWORD = "correct horse 1"
# What a page of ours sends with every request.
OURS: Mapping[str, str] = {"x-mc-csrf": "1", "origin": ORIGIN, "sec-fetch-site": "same-origin"}
# Functions that need more than the data plane.
CONSOLE, SITE, ADMIN = ("account", "export"), ("site",), ("admin",)
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html: of a hash key.
KEY_BYTES_MAX = 2048
MODELS = (
    an_entry(capabilities=["streaming", "completions"]),
    an_entry(id="e-1", code="e01", aliases=[], kind="embedding", prices={"input": "0.02"}, max_output_tokens=0),
)


class Refusals(list[FakeReply | TransportFailure]):
    """Providers at the transport that find every request wrong: whoever reaches them is told so, and not charged."""

    def pop(self, index: SupportsIndex = -1) -> FakeReply:
        return json_reply({"error": {"message": "the provider says no", "code": "no"}}, 400)


@dataclass(frozen=True)
class KeyGuard:
    """Refuses the keys that DynamoDB refuses and a dictionary does not."""

    driver: Driver

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        for attribute in payload.get("Key", {}).values():
            if len(attribute.get("S", "").encode()) > KEY_BYTES_MAX:
                raise RequestRejected("a key is too long")
        return await self.driver.call(operation, payload)


@dataclass(frozen=True)
class Somebody:
    """A person with an account and a session."""

    person: Person
    session: Session
    tokens: Tokens

    @property
    def account_id(self) -> str:
        return self.session.account_id

    @property
    def cookies(self) -> dict[str, str]:
        return cookies(self.tokens.id_token, self.tokens.refresh_token)

    @property
    def headers(self) -> dict[str, str]:
        """As one of our own pages asks in this person's browser."""
        return {**OURS, **self.cookies}


@dataclass(frozen=True)
class Answer:
    """One answer of a function, kept for what all answers have in common."""

    function: str
    path: str
    response: httpx.Response


class WholeWorld(ConsoleWorld):
    """Make one inside a test, and stop it before the next one. Real time: pages are made in threads."""

    def __init__(self, quotas: AttemptQuotas | None = None) -> None:
        super().__init__()
        self.models.found = [a_model(**entry) for entry in MODELS]
        self.memory = MemoryDynamo(TABLES)
        self.driver.driver = KeyGuard(self.memory)
        self.http.replies = Refusals()
        self.cognito, self.mailbox = FakeCognito(self.clock), Mailbox()
        self.admin = AdminWorld(self.driver, self.clock, seed=2)
        self.identity = self._identity(quotas or AttemptQuotas())
        self.engine = Engine("orders", lambda: self.driver, self._recharge_step, TTL_S)
        self.workflow = FakeWorkflow(self.engine)
        self.orders = OrderAccess(OrdersTable(self.driver, "orders"), self.workflow, self.alarms, self.clock, self.rng)
        self.steps = RechargeSteps(
            OrdersTable(self.driver, "orders"),
            OrderCredits(DynamoStore(self.driver, LedgerTables("balances", "usage", "credits")), "orders"),
            self.mailbox,
            self.alarms,
            self.clock,
            self.rng,
        )
        self.answers: list[Answer] = []
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._lifespans: list[Lifespan] = []

    def set_up_of(self, function: str) -> SetUp:
        """As bootstrap does it for that function."""

        def set_up(state: State) -> Process:
            process = ChatWorld.set_up(self, state)
            if function in SITE:
                state.site = SiteService(CONFIG, self.catalog, state.listing, States(one="ok"))
            if function in CONSOLE + ADMIN:
                self.identity.put(state)
                self.console.put(state)
                put_orders(state, self.orders, TERMS, self.objects)
            if function in ADMIN:
                self.admin.put(state)
                state.decisions = OrderDecisions(
                    self.orders, self.ledger.store, partial(receipt_url, self.objects), self.admin.log
                )
            return process

        return set_up

    async def client(self, function: str) -> httpx.AsyncClient:
        """Keeps no cookies: each request says which ones it has."""
        if function not in self._clients:
            process = process_of(function)
            process.set_up = self.set_up_of(function)
            self._lifespans.append(Lifespan(process.app))
            await self._lifespans[-1].start()
            transport = httpx.ASGITransport(app=process.app)
            self._clients[function] = httpx.AsyncClient(transport=transport, base_url=ORIGIN, trust_env=False)
        return self._clients[function]

    async def ask(
        self, function: str, method: str, path: str, headers: Mapping[str, str], ip: str = IP, **more: Any
    ) -> httpx.Response:
        """`path` is sent as it is written. An exception that leaves the app is raised here."""
        client = await self.client(function)
        context = orjson.dumps({"identity": {"sourceIp": ip}}).decode()
        response = await client.request(
            method, httpx.URL(ORIGIN + path), headers={"x-amzn-request-context": context, **headers}, **more
        )
        client.cookies.clear()
        self.answers.append(Answer(function, path.partition("?")[0], response))
        return response

    async def somebody(self, name: str, *, groups: tuple[str, ...] = ()) -> Somebody:
        """Signed up, confirmed and signed in; the account has its test credit."""
        person = self.cognito.add(f"{name}@example.com", PASSWORD, name=name.title(), groups=groups)
        return await self.signed_in(person)

    async def signed_in(self, person: Person) -> Somebody:
        tokens = self.cognito.issue(person)
        session = (await self.identity.sessions.started(tokens)).session
        await self.identity.account.account(session, person.email)
        return Somebody(person, session, tokens)

    async def image(self, account_id: str) -> Account:
        """The account; its books are right."""
        return await self.account(account_id)

    async def credits_of(self, account_id: str) -> list[CreditRow]:
        return [row async for row in self.ledger.store.credit_rows(account_id)]

    def state(self) -> dict[str, Any]:
        """All that a request could have changed, the counters of the limits apart."""
        tables = {name: items for name, items in self.memory.snapshot().items() if name != "limits"}
        return {
            **{f"table {name}": items for name, items in tables.items()},
            "catalog": self.versions.snapshot(),
            "people": {email: asdict(person) for email, person in self.cognito.people.items()},
            "mails": (len(self.cognito.mails), len(self.mailbox.sent)),
            "objects": dict(self.objects.objects),
            "workflow": (dict(self.engine.statuses), len(self.workflow.woken)),
            "providers": (len(self.upstream.calls), len(self.http.posted)),
        }

    async def stop(self) -> None:
        """Executions that still wait end with the test."""
        self.engine.die()
        await asyncio.gather(*self.engine.tasks, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()
        for lifespan in self._lifespans:
            await lifespan.stop()

    def _identity(self, quotas: AttemptQuotas) -> IdentityServices:
        return identity_services(
            self.cognito,
            IdTokens(self.cognito.fetch, ISSUER, CLIENT_ID, self.clock),
            self.ledger,
            ProfilesTable(self.driver, "balances", "credits"),
            self.limiter,
            LimitsTable(self.driver, "limits"),
            self.keys,
            self.settings,
            self.alarms,
            self.clock,
            self.rng,
            IdentityConfig(CreditTerms(TEST_CREDIT_NANO), quotas, answer_s=0.0),
        )

    async def _recharge_step(self, payload: dict[str, Any]) -> Any:
        """The recharge function."""
        try:
            return await self.steps.run(payload["step"], payload["order_id"])
        except (NoticeFailed, RuntimeError) as exc:
            raise TaskFailed(type(exc).__name__) from exc


@asynccontextmanager
async def whole_world(quotas: AttemptQuotas | None = None) -> AsyncIterator[WholeWorld]:
    world = WholeWorld(quotas)
    await world.published.publish(MODELS)
    await world.admin.publish(*MODELS)
    try:
        yield world
    finally:
        await world.stop()


def cookies(id_token: str | None, refresh_token: str | None = None) -> dict[str, str]:
    """Exactly these, as a browser sends them."""
    kept = {ID_COOKIE: id_token, REFRESH_COOKIE: refresh_token}
    found = "; ".join(f"{name}={value}" for name, value in kept.items() if value is not None)
    return {"cookie": found} if found else {}
