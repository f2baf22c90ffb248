"""The chat service as deployed, over an in-memory DynamoDB, virtual time and providers at the port."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import State

from multiconnection.audio.speech import SpeechService
from multiconnection.audio.speech_upstream import OpenAiSpeech
from multiconnection.audio.transcription import TranscriptionService
from multiconnection.audio.transcription_upstream import OpenAiTranscription
from multiconnection.bootstrap.base import default_rates, hold_lifetime_s, ledger_margins
from multiconnection.calls.pipeline import CallConfig, Calls, Router
from multiconnection.calls.reservation import Reserver
from multiconnection.calls.settlement import InFlightCalls
from multiconnection.calls.streaming import COMMENT, StreamedAnswer
from multiconnection.catalog.models import Model, Switches, UpstreamRef, parse_model
from multiconnection.catalog.service import CatalogService, ListingService
from multiconnection.catalog.store import CatalogTable
from multiconnection.chat.service import ChatAnswer, ChatService
from multiconnection.chat.upstream import OpenAiCompatible
from multiconnection.config import Settings
from multiconnection.context import RequestContext
from multiconnection.embeddings.service import EmbeddingsService
from multiconnection.embeddings.upstream import OpenAiInputs
from multiconnection.errors import GatewayError
from multiconnection.history.service import UsageService
from multiconnection.ids import new_hold_id
from multiconnection.images.service import ImagesService
from multiconnection.images.upstream import OpenAiImages
from multiconnection.keys.authenticate import Authenticator
from multiconnection.keys.models import Caller
from multiconnection.keys.service import KeyService
from multiconnection.keys.store import KeysTable
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables, encode
from multiconnection.ledger.ledger import Ledger, Standing
from multiconnection.ledger.models import Account, AccountLimits, CreditRow, UsageRow, breaches
from multiconnection.limits.accounts import KnownAccounts
from multiconnection.limits.limiter import Limiter
from multiconnection.limits.store import LimitsTable
from multiconnection.money import usd_to_nano
from multiconnection.observability.metrics import Emf, RequestMetrics
from multiconnection.providers.http import Http
from multiconnection.retry import StoreError
from multiconnection.uploads.service import UploadConfig, UploadService
from multiconnection.web.app import Process
from tools.memory_dynamo.driver import MemoryDynamo, TableKeys

from .fake_http import FakeHttp
from .fake_objects import FakeObjects
from .fake_upstream import DONE, FakeUpstream, a_provider
from .limit_world import SeededRng, WatchedDriver
from .virtual_time import LoopClock

IP = "192.0.2.1"
ENVIRONMENT = {
    "KEYS_TABLE": "keys",
    "BALANCES_TABLE": "balances",
    "USAGE_TABLE": "usage",
    "CREDITS_TABLE": "credits",
    "CATALOG_TABLE": "catalog",
    "LIMITS_TABLE": "limits",
    "ORDERS_TABLE": "orders",
    "AUDIT_TABLE": "audit",
    "REPORTS_TABLE": "reports",
    "ADJUSTMENTS_TABLE": "adjustments",
    "PAYLOAD_BUCKET": "payloads",
    "FALLBACK_QUEUE_URL": "https://queue.example/fallback",
    "AWS_REGION": "us-east-1",
}
TABLES = {
    "keys": TableKeys(
        "key_hash", indexes={"by_account": ("account_id", "key_id")}, full_indexes=frozenset({"by_account"})
    ),
    "balances": TableKeys("account_id", indexes={"by_activity": ("activity_shard", "activity_bucket")}),
    "usage": TableKeys("account_id", "request_id"),
    "credits": TableKeys("account_id", "credit_id"),
    "limits": TableKeys("subject"),
}
MESSAGES = [{"role": "user", "content": "hi"}]


def an_entry(**changes: Any) -> dict[str, Any]:
    """$1 and $2 per 1M tokens: 1,000 n$ a token in (250 cached), 2,000 n$ a token out."""
    entry: dict[str, Any] = {
        "id": "m-1",
        "code": "m01",
        "aliases": ["m-1-latest"],
        "owned_by": "acme",
        "kind": "chat",
        "name": "Model 1",
        "created": 1_700_000_000,
        "context_window": 100_000,
        "max_output_tokens": 1000,
        "price_version": 7,
        "prices": {"input": "1.00", "cached_input": "0.25", "output": "2.00"},
        "image_tokens_max": 1000,
        "capabilities": ["streaming"],
        "refused_parameters": ["audio", "modalities:audio", "prediction", "service_tier", "store", "file"],
        "upstreams": [{"provider": "one", "model": "m-1-one"}, {"provider": "two", "model": "m-1-two"}],
    }
    return entry | changes


def a_model(**changes: Any) -> Model:
    return parse_model(an_entry(**changes))


class Models:
    """A `CatalogSource` that can fail and counts its readings; everything is on unless `switched` has switches.

    Cool-downs are shared over `cooling` if there is one.
    """

    def __init__(self, *models: Model) -> None:
        self.found = list(models)
        self.failure: Exception | None = None
        self.readings = 0
        self.switched: CatalogTable | None = None
        self.cooling: CatalogTable | None = None

    async def models(self) -> list[Model]:
        self.readings += 1
        if self.failure:
            raise self.failure
        return self.found

    async def switches(self) -> Switches:
        return await self.switched.switches() if self.switched else Switches()

    async def cool_downs(self) -> Mapping[UpstreamRef, float]:
        return await self.cooling.cool_downs() if self.cooling else {}

    async def share_cool_down(self, upstream: UpstreamRef, until_s: float, latest_s: float) -> bool:
        return self.cooling is not None and await self.cooling.share_cool_down(upstream, until_s, latest_s)


@dataclass
class Alarms:
    raised: list[str] = field(default_factory=list)

    def alarm(self, name: str, **context: object) -> None:
        self.raised.append(name)


@dataclass
class Queue:
    """A `FallbackQueue`."""

    rows: list[UsageRow] = field(default_factory=list)
    failure: StoreError | None = None

    def message(self, row: UsageRow) -> str:
        return encode(row)

    async def send(self, row: UsageRow) -> None:
        if self.failure:
            raise self.failure
        self.rows.append(row)


@dataclass
class Client:
    """What one caller received: a JSON body, a text, or pieces of a stream, and the error if there was one."""

    body: Mapping[str, Any] | None = None
    plain: bytes | None = None
    received: list[bytes] = field(default_factory=list)
    refused: GatewayError | None = None

    @property
    def text(self) -> bytes:
        return b"".join(self.received)

    @property
    def whole(self) -> bool:
        """[DONE] once, and after it nothing but comments."""
        return self.text.count(DONE) == 1 and self.text.partition(DONE)[2].replace(COMMENT, b"") == b""

    async def send(self, chunk: bytes) -> None:
        self.received.append(chunk)


class ChatWorld:
    """Make one inside a test; every part can be reached and replaced before the first call."""

    def __init__(self, *models: Model, environment: Mapping[str, str] | None = None, seed: int = 1) -> None:
        self.settings = Settings.of({**ENVIRONMENT, **(environment or {})})
        self.clock, self.rng = LoopClock(), SeededRng(seed)
        self.alarms, self.queue, self.upstream = Alarms(), Queue(), FakeUpstream()
        self.closed = False
        self.driver = WatchedDriver(MemoryDynamo(TABLES))
        self.models = Models(*(models or (a_model(),)))
        self.providers = {name: a_provider(name) for name in ("one", "two")}
        self.catalog = CatalogService(self.models, self.providers, self.clock, self.alarms, 60)
        self.ledger = Ledger(
            DynamoStore(self.driver, LedgerTables("balances", "usage", "credits")),
            self.queue,
            self.alarms,
            self.clock,
            self.rng,
            self.catalog.model_name,
            ledger_margins(self.settings),
        )
        self.seen = KnownAccounts(self.ledger.store.account)
        self.in_flight = InFlightCalls()
        keys = KeysTable(self.driver, "keys", "balances")
        self.keys = KeyService(keys, self.ledger.store, self.clock, self.rng)
        self.limiter = Limiter(
            LimitsTable(self.driver, "limits"), self.clock, default_rates(self.settings), self.alarms.alarm
        )
        self.authenticator = Authenticator(keys, self.limiter, self.clock, self.settings.key_cache_s)
        self.reserver = Reserver(
            self.ledger,
            self.authenticator,
            self.seen,
            self.clock,
            self.settings.in_flight_max,
            hold_lifetime_s(self.settings),
        )
        self.router = Router(self.catalog, self.clock)
        self.calls = Calls(
            self.catalog,
            self.limiter,
            self.seen,
            self.reserver,
            self.ledger,
            self.router,
            self.clock,
            self.config(),
            self.in_flight,
        )
        self.objects = FakeObjects(self.clock)
        self.uploads = UploadService(self.objects, self.clock, self.rng, UploadConfig())
        self.http = FakeHttp([])
        self.connect(self.http)
        self.chat = ChatService(self.calls, self.upstream, self.uploads)

    def connect(self, http: Http) -> None:
        """Let every service, chat included, reach its providers over `http` through its real dialect."""
        self.chat = ChatService(self.calls, OpenAiCompatible(http), self.uploads)
        self.embeddings = EmbeddingsService(self.calls, OpenAiInputs(http))
        self.images = ImagesService(self.calls, OpenAiImages(http), self.uploads, self.settings.inline_result_bytes_max)
        self.speech = SpeechService(self.calls, OpenAiSpeech(http))
        self.transcription = TranscriptionService(self.calls, OpenAiTranscription(http), self.uploads)

    def config(self) -> CallConfig:
        return CallConfig(
            timeout_s=self.settings.function_timeout_s,
            deadline_margin_s=self.settings.deadline_margin_s,
            whole_answer_timeout_s=self.settings.whole_answer_timeout_s,
            keep_alive_s=self.settings.keep_alive_s,
            markup_basis_points=self.settings.markup_basis_points,
        )

    def set_up(self, state: State) -> Process:
        """All of /v1 on `state`, as bootstrap does it for each function."""

        async def aclose() -> None:
            self.closed = True

        state.settings, state.clock = self.settings, self.clock
        state.limiter, state.seen, state.authenticator = self.limiter, self.seen, self.authenticator
        state.standing = Standing(self.ledger.store)
        state.listing = ListingService(self.catalog, self.settings.markup_basis_points)
        state.usage = UsageService(self.ledger.store)
        state.chat, state.embeddings = self.chat, self.embeddings
        state.images, state.speech, state.transcription = self.images, self.speech, self.transcription
        state.uploads = self.uploads
        return Process(
            clock=self.clock,
            rng=self.rng,
            ip_limits=lambda ip: self.limiter.ip_state(ip).headers(),
            on_answered=RequestMetrics(Emf("MultiConnection")).call,
            aclose=aclose,
        )

    async def open(
        self, usd: str = "1.00", account_id: str = "a1", limits: AccountLimits | None = None, **key: Any
    ) -> str:
        """An account with money and one key; returns the key's secret."""
        await self.ledger.create_account(account_id, "test", limits or AccountLimits())
        if usd_to_nano(usd):
            await self.credit(usd, account_id)
        _, secret = await self.keys.issue(account_id, "test", **key)
        return secret

    async def credit(self, usd: str, account_id: str = "a1") -> None:
        now_ms = int(self.clock.now() * 1000)
        row = CreditRow(account_id, f"c{self.rng.below(10**9)}", usd_to_nano(usd), "grant", "test", "test", now_ms)
        await self.ledger.credit(row)

    async def caller(self, usd: str = "1.00", account_id: str = "a1", **more: Any) -> Caller:
        return await self.authenticate(await self.open(usd, account_id, **more))

    async def authenticate(self, secret: str) -> Caller:
        return await self.authenticator.authenticate(f"Bearer {secret}", None, IP)

    def context(self, function_ends_s: float | None = None) -> RequestContext:
        now_s = self.clock.now()
        return RequestContext(new_hold_id(int(now_s), self.rng), now_s, IP, function_ends_s)

    async def answer(self, caller: Caller, context: RequestContext | None = None, **body: Any) -> ChatAnswer:
        whole = {"model": "m-1", "messages": MESSAGES, **body}
        return await self.chat.answer(caller, whole, context or self.context())

    async def call(self, caller: Caller, *, client: Client | None = None, **body: Any) -> Client:
        """One call to its end, whatever the end is."""
        client = client or Client()
        try:
            answer = await self.answer(caller, **body)
        except GatewayError as exc:
            client.refused = exc
            return client
        if isinstance(answer, StreamedAnswer):
            await answer.relay(client.send)
        else:
            client.body = answer
        return client

    async def account(self, account_id: str = "a1") -> Account:
        """The image; its books are right."""
        image = await self.ledger.store.account(account_id)
        assert image is not None
        assert breaches(image) == []
        return image

    async def rows(self, account_id: str = "a1") -> list[UsageRow]:
        return [row async for row in self.ledger.store.usage_rows(account_id)]

    async def settled_row(self, account_id: str = "a1") -> UsageRow:
        """The one row of the one call: no hold is left, and exactly the row's cost was charged."""
        (row,) = await self.rows(account_id)
        image = await self.account(account_id)
        assert image.holds == {}
        assert image.charged == row.cost
        assert all(stream.closed for stream in self.upstream.streams)
        return row

    async def assert_untouched(self) -> None:
        """No money was set aside, and nothing was sent to a provider."""
        assert (self.http.posted, self.upstream.calls) == ([], [])
        assert await self.rows() == []
        assert (await self.account()).holds == {}
