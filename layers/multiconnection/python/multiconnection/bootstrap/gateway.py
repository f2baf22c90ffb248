"""Services of /v1 and of the pages on `app.state`, over one asynchronous driver and two pools of connections.

A function imports the rooms that it serves and no other: the imports are most of its cold start.
"""

from collections.abc import Awaitable, Callable

from starlette.datastructures import State

from multiconnection.calls.pipeline import CallConfig, Calls, Router
from multiconnection.calls.reservation import Reserver
from multiconnection.calls.settlement import InFlightCalls
from multiconnection.config import Settings
from multiconnection.ledger.ledger import Standing
from multiconnection.money import nano_to_usd
from multiconnection.observability.metrics import RequestMetrics
from multiconnection.ports import Alarms
from multiconnection.providers.http import AiohttpClient
from multiconnection.web.app import Process

from .base import Base, build_base, hold_lifetime_s

# At shutdown a process settles its cancelled calls first; the sweeper ends the rest.
DRAIN_S = 8.0


def build_chat(state: State, settings: Settings) -> Process:
    """Chat, legacy completions, and speech for the models that speak in chat."""
    from multiconnection.audio.speech import SpeechService
    from multiconnection.audio.speech_upstream import OpenAiSpeech
    from multiconnection.chat.service import ChatService
    from multiconnection.chat.upstream import OpenAiCompatible

    base, paid = build_base(settings), PaidCalls()
    calls, http = paid.calls(base), paid.http
    state.chat = ChatService(calls, OpenAiCompatible(http), base.uploads)
    state.speech = SpeechService(calls, OpenAiSpeech(http))
    return serve(state, base, paid.aclose(base))


def build_images(state: State, settings: Settings) -> Process:
    from multiconnection.images.service import ImagesService
    from multiconnection.images.upstream import OpenAiImages

    base, paid = build_base(settings), PaidCalls()
    upstream = OpenAiImages(paid.http)
    state.images = ImagesService(paid.calls(base), upstream, base.uploads, settings.inline_result_bytes_max)
    return serve(state, base, paid.aclose(base))


def build_audio(state: State, settings: Settings) -> Process:
    from multiconnection.audio.speech import SpeechService
    from multiconnection.audio.speech_upstream import OpenAiSpeech
    from multiconnection.audio.transcription import TranscriptionService
    from multiconnection.audio.transcription_upstream import OpenAiTranscription

    base, paid = build_base(settings), PaidCalls()
    calls = paid.calls(base)
    state.speech = SpeechService(calls, OpenAiSpeech(paid.http))
    state.transcription = TranscriptionService(calls, OpenAiTranscription(paid.http), base.uploads)
    return serve(state, base, paid.aclose(base))


def build_embeddings(state: State, settings: Settings) -> Process:
    from multiconnection.embeddings.service import EmbeddingsService
    from multiconnection.embeddings.upstream import OpenAiInputs

    base, paid = build_base(settings), PaidCalls()
    state.embeddings = EmbeddingsService(paid.calls(base), OpenAiInputs(paid.http))
    return serve(state, base, paid.aclose(base))


def build_models(state: State, settings: Settings) -> Process:
    """The model list, usage by request id and the balance."""
    from multiconnection.catalog.service import ListingService
    from multiconnection.history.service import UsageService

    base = build_base(settings)
    state.listing = ListingService(base.catalog, settings.markup_basis_points)
    state.usage = UsageService(base.ledger.store)
    return serve(state, base)


def build_uploads(state: State, settings: Settings) -> Process:
    base = build_base(settings)
    state.uploads = base.uploads
    return serve(state, base)


def build_site(state: State, settings: Settings) -> Process:
    """The pages: the catalog and the health of the providers, without keys, money or people."""
    from multiconnection.catalog.health import CloudWatchMetrics, ProviderHealth
    from multiconnection.catalog.providers import provider_names
    from multiconnection.catalog.service import ListingService
    from multiconnection.site.pages import SiteConfig, SiteService

    base = build_base(settings)
    config = SiteConfig(
        settings.legal_entity,
        nano_to_usd(0 if settings.test_credit_mode == "off" else settings.test_credit_nano),
        settings.public_base_url,
        settings.upload_origin,
        settings.test_credit_mode,
    )
    metrics = CloudWatchMetrics(settings.metrics_namespace, base.aws)
    health = ProviderHealth(metrics, provider_names(), base.clock)
    listing = ListingService(base.catalog, settings.markup_basis_points)
    state.site = SiteService(config, base.catalog, listing, health)
    return serve(state, base)


def serve(state: State, base: Base, aclose: Callable[[], Awaitable[None]] | None = None) -> Process:
    """Adds the parts of all functions: authentication, limits, and the metrics of an answer."""
    state.settings = base.settings
    state.clock = base.clock
    state.limiter = base.limiter
    state.seen = base.seen
    state.authenticator = base.authenticator
    state.standing = Standing(base.ledger.store)
    return Process(
        clock=base.clock,
        rng=base.rng,
        ip_limits=lambda ip: base.limiter.ip_state(ip).headers(),
        on_answered=RequestMetrics(base.emf).call,
        aclose=aclose or base.aclose,
    )


class PaidCalls:
    """The pipeline of paid calls and its connections to providers."""

    def __init__(self) -> None:
        self.http = AiohttpClient()
        self._in_flight = InFlightCalls()

    def calls(self, base: Base) -> Calls:
        return Calls(
            catalog=base.catalog,
            limiter=base.limiter,
            seen=base.seen,
            reserver=Reserver(
                base.ledger,
                base.authenticator,
                base.seen,
                base.clock,
                base.settings.in_flight_max,
                hold_lifetime_s(base.settings),
            ),
            ledger=base.ledger,
            router=Router(base.catalog, base.clock),
            clock=base.clock,
            config=call_config(base.settings),
            in_flight=self._in_flight,
        )

    def aclose(self, base: Base) -> Callable[[], Awaitable[None]]:
        async def aclose() -> None:
            await _settled(self._in_flight, base.alarms)
            await self.http.aclose()
            await base.aclose()

        return aclose


async def _settled(in_flight: InFlightCalls, alarms: Alarms) -> None:
    """Lets cancelled calls write their rows before the sockets close."""
    if left := await in_flight.drained(DRAIN_S):
        alarms.alarm("stopped_with_open_calls", calls=left)


def call_config(settings: Settings) -> CallConfig:
    return CallConfig(
        timeout_s=settings.function_timeout_s,
        deadline_margin_s=settings.deadline_margin_s,
        whole_answer_timeout_s=settings.whole_answer_timeout_s,
        keep_alive_s=settings.keep_alive_s,
        markup_basis_points=settings.markup_basis_points,
    )
