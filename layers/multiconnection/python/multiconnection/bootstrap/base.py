"""What every API function stands on: one asynchronous driver, one pool of connections to AWS, the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from aiodynamo.credentials import Credentials

from multiconnection.config import Settings
from multiconnection.domain.ports import Clock, Rng
from multiconnection.domain.provider import Provider
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.store import Alarms
from multiconnection.observability import Emf, LoggedAlarms, configure_logging
from multiconnection.providers.registry import configured_providers
from multiconnection.services.accounts_seen import AccountsSeen
from multiconnection.services.authenticate import Authenticator
from multiconnection.services.catalog import CatalogService
from multiconnection.services.limiter import Limiter
from multiconnection.services.provider_directory import Configure, ProviderDirectory
from multiconnection.services.uploads import UploadConfig, UploadService
from multiconnection.storage.catalog import CatalogTable
from multiconnection.storage.driver import Driver
from multiconnection.storage.hot import HotDriver
from multiconnection.storage.keys import KeysTable
from multiconnection.storage.limits import LimitsTable
from multiconnection.storage.objects import S3Objects
from multiconnection.storage.secrets_manager import SecretsManagerSource
from multiconnection.storage.switches import SwitchesTable

from .foundation import SystemClock, SystemRng, build_ledger

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
    driver: Driver
    providers: ProviderDirectory
    limiter: Limiter
    keys: KeysTable
    authenticator: Authenticator
    catalog_table: CatalogTable
    catalog: CatalogService
    ledger: Ledger
    seen: AccountsSeen
    objects: S3Objects
    uploads: UploadService

    async def aclose(self) -> None:
        await self.providers.aclose()
        await self.session.close()


def build_base(settings: Settings) -> Base:
    """Nothing is fetched before the first request. Call it on a running event loop."""
    configure_logging(settings.log_level)
    emf = Emf(settings.metrics_namespace)
    clock, rng, alarms = SystemClock(), SystemRng(), LoggedAlarms(emf)
    session, credentials = _session(), Credentials.auto()
    driver = HotDriver(session, credentials, settings.region, settings.aws_endpoint_url)
    secret = _secret_source(settings, session, credentials)
    providers = ProviderDirectory(_configure(settings), secret, clock, alarms)
    limits = LimitsTable(driver, settings.limits_table)
    limiter = Limiter(limits, clock, settings, lambda name: alarms.alarm("limiter", error=name))
    keys = KeysTable(driver, settings.keys_table, settings.balances_table)
    table = CatalogTable(driver, settings.catalog_table)
    switches = SwitchesTable(driver, settings.catalog_table)
    catalog = CatalogService(table, providers, clock, alarms, settings.catalog_cache_s, providers.refresh, switches)
    ledger = build_ledger(settings, driver, clock, rng, alarms, catalog.model_name)
    objects = S3Objects(session, credentials, settings.payload_bucket, settings.region, settings.aws_endpoint_url)
    return Base(
        settings=settings,
        emf=emf,
        clock=clock,
        rng=rng,
        alarms=alarms,
        session=session,
        credentials=credentials,
        driver=driver,
        providers=providers,
        limiter=limiter,
        keys=keys,
        authenticator=Authenticator(keys, limiter, clock, settings.key_cache_s),
        catalog_table=table,
        catalog=catalog,
        ledger=ledger,
        seen=AccountsSeen(ledger.store),
        objects=objects,
        uploads=UploadService(objects, clock, rng, _upload_config(settings)),
    )


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, ttl_dns_cache=60),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


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


def _upload_config(settings: Settings) -> UploadConfig:
    return UploadConfig(
        upload_bytes_max=settings.upload_bytes_max,
        upload_url_expires_s=settings.upload_url_expires_s,
        result_url_expires_s=settings.result_url_expires_s,
    )
