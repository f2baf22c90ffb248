"""The data plane: everything over one asynchronous driver and two pools of connections."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from typing import Any

from multiconnection.audio.speech import SpeechService
from multiconnection.audio.speech_upstream import OpenAiSpeech
from multiconnection.audio.transcription import TranscriptionService
from multiconnection.audio.transcription_upstream import OpenAiTranscription
from multiconnection.calls.pipeline import CallConfig, Calls
from multiconnection.calls.reservation import Reserver, Standing
from multiconnection.calls.routing import Router
from multiconnection.calls.settlement import OpenBills
from multiconnection.calls.telemetry import Telemetry
from multiconnection.catalog.service import ListingService
from multiconnection.chat.service import ChatService, CompletionsService
from multiconnection.chat.upstream import OpenAiCompatible
from multiconnection.config import Settings
from multiconnection.embeddings.service import EmbeddingsService
from multiconnection.embeddings.upstream import OpenAiInputs
from multiconnection.history.service import UsageService
from multiconnection.images.fetch import AiohttpPictures
from multiconnection.images.service import ImagesService
from multiconnection.images.upstream import OpenAiImages
from multiconnection.keys.authenticate import Authenticator
from multiconnection.limits.accounts import AccountsSeen
from multiconnection.limits.limiter import Limiter
from multiconnection.ports import Alarms, Clock, Rng
from multiconnection.providers.http import AiohttpClient
from multiconnection.uploads.service import UploadService

from .base import Base, build_base, build_telemetry

# A process that is told to stop settles its cancelled calls first; what is left then is swept.
DRAIN_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Everything a function of the data plane needs."""

    settings: Settings
    clock: Clock
    rng: Rng
    limiter: Limiter
    seen: AccountsSeen
    standing: Standing
    authenticator: Authenticator
    listing: ListingService
    usage: UsageService
    chat: ChatService
    completions: CompletionsService
    embeddings: EmbeddingsService
    images: ImagesService
    speech: SpeechService
    transcription: TranscriptionService
    uploads: UploadService
    aclose: Callable[[], Awaitable[None]]
    telemetry: Telemetry


def build(settings: Settings) -> Container:
    """The services of the data plane's functions; call it on a running event loop."""
    return build_container(build_base(settings))


def build_container(base: Base) -> Container:
    settings, open_bills, http = base.settings, OpenBills(), AiohttpClient()
    chat_upstream, uploads = OpenAiCompatible(http), base.uploads
    calls = Calls(
        catalog=base.catalog,
        limiter=base.limiter,
        seen=base.seen,
        reserver=Reserver(base.ledger, base.authenticator, base.seen, base.clock, settings.in_flight_max),
        ledger=base.ledger,
        router=Router(base.catalog, base.clock),
        clock=base.clock,
        config=_call_config(settings),
        open_bills=open_bills,
    )

    async def aclose() -> None:
        await _settled(open_bills, base.alarms)
        await http.aclose()
        await base.aclose()

    return Container(
        settings=settings,
        clock=base.clock,
        rng=base.rng,
        limiter=base.limiter,
        seen=base.seen,
        standing=Standing(base.ledger.store),
        authenticator=base.authenticator,
        listing=ListingService(base.catalog, settings.markup_basis_points),
        usage=UsageService(base.ledger.store),
        chat=ChatService(calls, chat_upstream, uploads),
        completions=CompletionsService(calls, chat_upstream),
        embeddings=EmbeddingsService(calls, OpenAiInputs(http)),
        images=ImagesService(calls, OpenAiImages(http, AiohttpPictures()), uploads, settings.inline_result_bytes_max),
        speech=SpeechService(calls, OpenAiSpeech(http)),
        transcription=TranscriptionService(calls, OpenAiTranscription(http), uploads),
        uploads=uploads,
        aclose=aclose,
        telemetry=build_telemetry(settings, base.emf),
    )


def parts_of(container: Container) -> dict[str, Any]:
    """What a container has, for one that has more."""
    return {part.name: getattr(container, part.name) for part in fields(container)}


async def _settled(open_bills: OpenBills, alarms: Alarms) -> None:
    """Before the sockets close: the calls that were cancelled write their rows."""
    if left := await open_bills.drained(DRAIN_S):
        alarms.alarm("stopped_with_open_calls", calls=left)


def _call_config(settings: Settings) -> CallConfig:
    return CallConfig(
        timeout_s=settings.function_timeout_s,
        deadline_margin_s=settings.deadline_margin_s,
        whole_answer_timeout_s=settings.whole_answer_timeout_s,
        hold_margin_s=settings.hold_margin_s,
        keep_alive_s=settings.keep_alive_s,
        markup_basis_points=settings.markup_basis_points,
    )
