"""Parts of every API function: one asynchronous driver, one pool of connections to AWS, the ledger."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import aiohttp
from aiodynamo.credentials import Credentials

from multiconnection.aws.client import AwsHttp
from multiconnection.aws.dynamo import Driver
from multiconnection.aws.dynamo_async import AsyncDriver
from multiconnection.aws.s3 import S3Objects
from multiconnection.aws.secrets import SecretsManagerSource
from multiconnection.aws.sigv4 import role_key
from multiconnection.catalog.models import Provider
from multiconnection.catalog.providers import Configure, FetchSecret, ProviderDirectory, configured_providers
from multiconnection.catalog.service import CatalogService
from multiconnection.catalog.store import CatalogTable
from multiconnection.config import Settings
from multiconnection.keys.authenticate import Authenticator
from multiconnection.keys.store import KeysTable
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables, SqsFallbackQueue
from multiconnection.ledger.ledger import SETTLE_S, Ledger, Margins
from multiconnection.ledger.sweep import ModelName
from multiconnection.limits.accounts import KnownAccounts
from multiconnection.limits.limiter import DefaultRates, Limiter
from multiconnection.limits.store import LimitsTable
from multiconnection.observability.logging import configure_logging
from multiconnection.observability.metrics import Emf, LoggedAlarms
from multiconnection.ports import Alarms, Clock, Rng
from multiconnection.uploads.service import UploadConfig, UploadService

# Sockets to AWS that one process may hold open.
CONNECTIONS_MAX = 1024


@dataclass(frozen=True, slots=True)
class Base:
    settings: Settings
    emf: Emf
    clock: Clock
    rng: Rng
    alarms: Alarms
    session: aiohttp.ClientSession
    credentials: Credentials
    aws: AwsHttp
    driver: Driver
    providers: ProviderDirectory
    limiter: Limiter
    keys: KeysTable
    authenticator: Authenticator
    catalog_table: CatalogTable
    catalog: CatalogService
    ledger: Ledger
    seen: KnownAccounts
    objects: S3Objects
    uploads: UploadService

    async def aclose(self) -> None:
        await self.catalog.cool_downs.aclose()
        await self.providers.aclose()
        await self.aws.aclose()
        await self.session.close()


def build_base(settings: Settings) -> Base:
    """Fetches nothing before the first request. Call it on a running event loop."""
    configure_logging(settings.log_level)
    emf = Emf(settings.metrics_namespace)
    clock, rng, alarms = SystemClock(), SystemRng(), LoggedAlarms(emf)
    session, credentials = _session(), Credentials.auto()
    aws = _aws(settings, session, credentials)
    driver = AsyncDriver(session, credentials, settings.region, settings.aws_endpoint_url)
    secret = _secret(settings, aws)
    providers = ProviderDirectory(_configure(settings), secret, clock, alarms)
    limits = LimitsTable(driver, settings.limits_table)
    limiter = Limiter(limits, clock, default_rates(settings), lambda name: alarms.alarm("limiter", error=name))
    keys = KeysTable(driver, settings.keys_table, settings.balances_table)
    table = CatalogTable(driver, settings.catalog_table)
    catalog = CatalogService(table, providers, clock, alarms, settings.catalog_cache_s, providers.refresh)
    ledger = build_ledger(settings, driver, aws, clock, rng, alarms, catalog.model_name)
    objects = S3Objects(session, credentials, settings.payload_bucket, settings.region, settings.aws_endpoint_url)
    return Base(
        settings=settings,
        emf=emf,
        clock=clock,
        rng=rng,
        alarms=alarms,
        session=session,
        credentials=credentials,
        aws=aws,
        driver=driver,
        providers=providers,
        limiter=limiter,
        keys=keys,
        authenticator=Authenticator(keys, limiter, clock, settings.key_cache_s),
        catalog_table=table,
        catalog=catalog,
        ledger=ledger,
        seen=KnownAccounts(ledger.store.account),
        objects=objects,
        uploads=UploadService(objects, clock, rng, _upload_config(settings)),
    )


def default_rates(settings: Settings) -> DefaultRates:
    return DefaultRates(
        account_requests_per_minute=settings.account_requests_per_minute,
        account_tokens_per_minute=settings.account_tokens_per_minute,
        ip_requests_per_minute=settings.ip_requests_per_minute,
        ip_failed_auth_per_minute=settings.ip_failed_auth_per_minute,
    )


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, ttl_dns_cache=60),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


def _aws(settings: Settings, session: aiohttp.ClientSession, credentials: Credentials) -> AwsHttp:
    """For every service but DynamoDB and S3."""
    return AwsHttp(
        partial(role_key, credentials, session), credentials.invalidate, settings.region, settings.aws_endpoint_url
    )


def _configure(settings: Settings) -> Configure:
    def configure(secret: Mapping[str, str]) -> Mapping[str, Provider]:
        return configured_providers(settings.completed_by(secret))

    return configure


def _secret(settings: Settings, aws: AwsHttp) -> FetchSecret | None:
    arn = settings.provider_secret_arn
    return None if arn is None else SecretsManagerSource(aws, arn).fetch


def _upload_config(settings: Settings) -> UploadConfig:
    return UploadConfig(
        upload_bytes_max=settings.upload_bytes_max,
        upload_url_expires_s=settings.upload_url_expires_s,
        result_url_expires_s=settings.result_url_expires_s,
    )


class SystemClock:
    def now(self) -> float:
        return time.time()


class SystemRng:
    def below(self, bound: int) -> int:
        return secrets.randbelow(bound)


def build_ledger(
    settings: Settings,
    driver: Driver,
    aws: AwsHttp,
    clock: Clock,
    rng: Rng,
    alarms: Alarms,
    model_name: ModelName,
) -> Ledger:
    """The ledger over any driver: the data plane's, a worker's or a tool's."""
    return Ledger(
        store=ledger_store(settings, driver),
        queue=SqsFallbackQueue(settings.fallback_queue_url, aws),
        alarms=alarms,
        clock=clock,
        rng=rng,
        model_name=model_name,
        margins=ledger_margins(settings),
    )


def ledger_store(settings: Settings, driver: Driver) -> DynamoStore:
    return DynamoStore(driver, LedgerTables(settings.balances_table, settings.usage_table, settings.credits_table))


def ledger_margins(settings: Settings) -> Margins:
    """Half of what is kept free before the function's end is enough for a settlement; the rest is for our own error."""
    settle_s = min(SETTLE_S, settings.deadline_margin_s / 2)
    return Margins(settings.hold_margin_s, settings.sweep_margin_s, settle_s)


def hold_lifetime_s(settings: Settings) -> float:
    """Seconds from the beginning of a request to the expiry of its hold."""
    return settings.function_timeout_s + settings.hold_margin_s
