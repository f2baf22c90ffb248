"""The composition root: the only place that makes clients and puts the tiers together."""

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiodynamo.credentials import Credentials

from .config import Settings
from .domain.ports import Clock, Rng
from .domain.provider import Provider
from .ledger.ledger import Ledger, Margins
from .ledger.store import Alarms
from .ledger.sweep import ModelName
from .observability import Emf, LoggedAlarms, configure_logging
from .providers.embeddings import OpenAiInputs
from .providers.http import AiohttpClient
from .providers.openai_compatible import OpenAiCompatible
from .providers.registry import configured_providers
from .services.accounts_seen import AccountsSeen
from .services.authenticate import Authenticator
from .services.calls import CallConfig, Calls
from .services.catalog import CatalogService
from .services.chat import ChatService
from .services.completions import CompletionsService
from .services.embeddings import EmbeddingsService
from .services.keys import KeyService
from .services.limiter import Limiter
from .services.listing import ListingService
from .services.maintenance import Maintenance
from .services.open_bills import OpenBills
from .services.provider_directory import Configure, ProviderDirectory
from .services.reservation import Reserver
from .services.routing import Router
from .services.telemetry import Telemetry
from .services.usage import UsageService
from .storage.catalog import CatalogTable
from .storage.driver import Driver
from .storage.hot import HotDriver
from .storage.keys import KeysTable
from .storage.ledger import DynamoStore, LedgerTables
from .storage.limits import LimitsTable
from .storage.queue import SqsFallbackQueue
from .storage.secrets_manager import SecretsManagerSource

# Sockets to DynamoDB and to providers that one process may hold open.
CONNECTIONS_MAX = 1024
# A process that is told to stop settles its cancelled calls first; what is left then is swept.
DRAIN_S = 8.0


class SystemClock:
    def now(self) -> float:
        return time.time()


class SystemRng:
    def below(self, bound: int) -> int:
        return secrets.randbelow(bound)


@dataclass(frozen=True, slots=True)
class Container:
    """Everything a data-plane or control-plane function needs."""

    settings: Settings
    clock: Clock
    rng: Rng
    limiter: Limiter
    seen: AccountsSeen
    authenticator: Authenticator
    listing: ListingService
    usage: UsageService
    chat: ChatService
    completions: CompletionsService
    embeddings: EmbeddingsService
    aclose: Callable[[], Awaitable[None]]
    telemetry: Telemetry = field(default_factory=lambda: Telemetry(Emf("MultiConnection"), 0.0))


def build(settings: Settings) -> Container:
    """The services of the API functions; call it on a running event loop."""
    configure_logging(settings.log_level)
    emf = Emf(settings.metrics_namespace)
    clock, rng, alarms, open_bills = SystemClock(), SystemRng(), LoggedAlarms(emf), OpenBills()
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, ttl_dns_cache=60),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )
    credentials = Credentials.auto()
    driver = HotDriver(session, credentials, settings.region, settings.aws_endpoint_url)
    secret = _secret_source(settings, session, credentials)
    providers = ProviderDirectory(_configure(settings), secret, clock, alarms)
    limiter = Limiter(
        LimitsTable(driver, settings.limits_table), clock, settings, lambda name: alarms.alarm("limiter", error=name)
    )
    keys = KeysTable(driver, settings.keys_table, settings.balances_table)
    authenticator = Authenticator(keys, limiter, clock, settings.key_cache_s)
    catalog = CatalogService(
        CatalogTable(driver, settings.catalog_table),
        providers,
        clock,
        alarms,
        settings.catalog_cache_s,
        providers.refresh,
    )
    ledger = build_ledger(settings, driver, clock, rng, alarms, catalog.model_name)
    http = AiohttpClient()
    chat_upstream = OpenAiCompatible(http)
    seen = AccountsSeen(ledger.store)
    calls = Calls(
        catalog=catalog,
        limiter=limiter,
        seen=seen,
        reserver=Reserver(ledger, authenticator, seen, clock, settings.in_flight_max),
        ledger=ledger,
        router=Router(catalog, clock),
        clock=clock,
        config=_call_config(settings),
        open_bills=open_bills,
    )

    async def aclose() -> None:
        await _settled(open_bills, alarms)
        await providers.aclose()
        await http.aclose()
        await session.close()

    return Container(
        settings=settings,
        clock=clock,
        rng=rng,
        limiter=limiter,
        seen=seen,
        authenticator=authenticator,
        listing=ListingService(catalog, settings.markup_basis_points),
        usage=UsageService(ledger.store),
        chat=ChatService(calls, chat_upstream),
        completions=CompletionsService(calls, chat_upstream),
        embeddings=EmbeddingsService(calls, OpenAiInputs(http)),
        aclose=aclose,
        telemetry=_telemetry(settings, emf),
    )


def build_ledger(
    settings: Settings,
    driver: Driver,
    clock: Clock,
    rng: Rng,
    alarms: Alarms,
    model_name: ModelName,
) -> Ledger:
    """The ledger over any driver: the data plane's, a worker's or a tool's."""
    tables = LedgerTables(settings.balances_table, settings.usage_table, settings.credits_table)
    return Ledger(
        store=DynamoStore(driver, tables),
        queue=SqsFallbackQueue(settings.fallback_queue_url, settings.region, settings.aws_endpoint_url),
        alarms=alarms,
        clock=clock,
        rng=rng,
        model_name=model_name,
        margins=Margins(settings.hold_margin_s, settings.sweep_margin_s),
    )


async def _settled(open_bills: OpenBills, alarms: Alarms) -> None:
    """Before the sockets close: the calls that were cancelled write their rows."""
    if left := await open_bills.drained(DRAIN_S):
        alarms.alarm("stopped_with_open_calls", calls=left)


def _configure(settings: Settings) -> Configure:
    def configure(secret: Mapping[str, str]) -> Mapping[str, Provider]:
        return configured_providers(settings.completed_by(secret))

    return configure


def _secret_source(
    settings: Settings, session: aiohttp.ClientSession, credentials: Credentials
) -> SecretsManagerSource | None:
    if settings.provider_secret_arn is None:
        return None
    return SecretsManagerSource(session, credentials, settings.provider_secret_arn, settings.aws_endpoint_url)


def _telemetry(settings: Settings, emf: Emf) -> Telemetry:
    return Telemetry(emf, hold_lifetime_s=settings.function_timeout_s + settings.hold_margin_s)


def _call_config(settings: Settings) -> CallConfig:
    return CallConfig(
        timeout_s=settings.function_timeout_s,
        deadline_margin_s=settings.deadline_margin_s,
        hold_margin_s=settings.hold_margin_s,
        keep_alive_s=settings.keep_alive_s,
        markup_basis_points=settings.markup_basis_points,
    )


@dataclass(frozen=True, slots=True)
class Workers:
    """What workers and tools need: the same ledger over boto3, outside any API."""

    settings: Settings
    clock: Clock
    ledger: Ledger
    maintenance: Maintenance
    keys: KeyService
    catalog: CatalogTable
    models: CatalogService


def build_workers(settings: Settings, clock: Clock | None = None, emf: Emf | None = None) -> Workers:
    """boto3 is loaded here and not above, so that the data plane starts without it.

    `emf` is for tools: what a person's command does is no metric.
    """
    from .storage.boto import BotoDriver, dynamodb_client

    configure_logging(settings.log_level)
    emf = emf or Emf(settings.metrics_namespace)
    clock, rng, alarms = clock or SystemClock(), SystemRng(), LoggedAlarms(emf)
    driver = BotoDriver(dynamodb_client(settings.region, settings.aws_endpoint_url))
    table = CatalogTable(driver, settings.catalog_table)
    catalog = CatalogService(table, configured_providers(settings), clock, alarms, settings.catalog_cache_s)
    ledger = build_ledger(settings, driver, clock, rng, alarms, catalog.model_name)
    return Workers(
        settings=settings,
        clock=clock,
        ledger=ledger,
        maintenance=Maintenance(ledger, clock, alarms, _telemetry(settings, emf)),
        keys=KeyService(KeysTable(driver, settings.keys_table, settings.balances_table), ledger.store, clock, rng),
        catalog=table,
        models=catalog,
    )
