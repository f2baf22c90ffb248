"""The data plane: everything over one asynchronous driver and two pools of connections."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiodynamo.credentials import Credentials

from multiconnection.config import Settings
from multiconnection.domain.ports import Clock, Rng
from multiconnection.domain.provider import Provider
from multiconnection.ledger.store import Alarms
from multiconnection.observability import Emf, LoggedAlarms, configure_logging
from multiconnection.providers.embeddings import OpenAiInputs
from multiconnection.providers.http import AiohttpClient
from multiconnection.providers.images import OpenAiImages
from multiconnection.providers.images_fetch import AiohttpPictures
from multiconnection.providers.openai_compatible import OpenAiCompatible
from multiconnection.providers.registry import configured_providers
from multiconnection.providers.speech import OpenAiSpeech
from multiconnection.services.accounts_seen import AccountsSeen
from multiconnection.services.authenticate import Authenticator
from multiconnection.services.calls import CallConfig, Calls
from multiconnection.services.catalog import CatalogService
from multiconnection.services.chat import ChatService
from multiconnection.services.completions import CompletionsService
from multiconnection.services.embeddings import EmbeddingsService
from multiconnection.services.images import ImagesService
from multiconnection.services.limiter import Limiter
from multiconnection.services.listing import ListingService
from multiconnection.services.open_bills import OpenBills
from multiconnection.services.provider_directory import Configure, ProviderDirectory
from multiconnection.services.reservation import Reserver
from multiconnection.services.routing import Router
from multiconnection.services.speech import SpeechService
from multiconnection.services.telemetry import Telemetry
from multiconnection.services.uploads import UploadConfig, UploadService
from multiconnection.services.usage import UsageService
from multiconnection.storage.catalog import CatalogTable
from multiconnection.storage.hot import HotDriver
from multiconnection.storage.keys import KeysTable
from multiconnection.storage.limits import LimitsTable
from multiconnection.storage.objects import S3Objects
from multiconnection.storage.secrets_manager import SecretsManagerSource

from .foundation import SystemClock, SystemRng, build_ledger, build_telemetry

# Sockets to DynamoDB and to providers that one process may hold open.
CONNECTIONS_MAX = 1024
# A process that is told to stop settles its cancelled calls first; what is left then is swept.
DRAIN_S = 8.0


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
    images: ImagesService
    speech: SpeechService
    uploads: UploadService
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
    objects = S3Objects(session, credentials, settings.payload_bucket, settings.region, settings.aws_endpoint_url)
    uploads = UploadService(objects, clock, rng, _upload_config(settings))
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
        chat=ChatService(calls, chat_upstream, uploads),
        completions=CompletionsService(calls, chat_upstream),
        embeddings=EmbeddingsService(calls, OpenAiInputs(http)),
        images=ImagesService(calls, OpenAiImages(http, AiohttpPictures()), uploads, settings.inline_result_bytes_max),
        speech=SpeechService(calls, OpenAiSpeech(http)),
        uploads=uploads,
        aclose=aclose,
        telemetry=build_telemetry(settings, emf),
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


def _upload_config(settings: Settings) -> UploadConfig:
    return UploadConfig(
        upload_bytes_max=settings.upload_bytes_max,
        upload_url_expires_s=settings.upload_url_expires_s,
        result_url_expires_s=settings.result_url_expires_s,
    )


def _call_config(settings: Settings) -> CallConfig:
    return CallConfig(
        timeout_s=settings.function_timeout_s,
        deadline_margin_s=settings.deadline_margin_s,
        hold_margin_s=settings.hold_margin_s,
        keep_alive_s=settings.keep_alive_s,
        markup_basis_points=settings.markup_basis_points,
    )
