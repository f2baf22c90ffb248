"""Transcriptions over real sockets: the official SDK, our routes under uvicorn, the real dialect, the demo upstream."""

import asyncio
import io
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import openai
import pytest
import uvicorn

from local.demo_upstream.testing import demo_upstream
from multiconnection.audio import routes as audio_routes
from multiconnection.audio.transcription import TranscriptionService
from multiconnection.audio.transcription_upstream import OpenAiTranscription
from multiconnection.catalog.models import Model, parse_model
from multiconnection.ledger.models import UsageRow
from multiconnection.providers.http import AiohttpClient
from multiconnection.usage import Ended, UsageSource
from multiconnection.web.app import create_app
from tests.support.audio_files import encoded, wav
from tests.support.scripted_world import SHIPPED
from tests.support.transcription_world import DIARIZE, GPT, WHISPER, TranscriptionWorld

# The SDK calls translations deprecated; they work.
deprecated = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
HEARD = "Received audio.wav: 2.500 seconds of audio."
BEHAVIOURS = ["cut", "eof", "empty", "error-500", "error-429", "error-400", "error-200", "error-html", "hang"]
BEHAVIOURS += ["no-usage", "usage-huge", "usage-negative", "usage-float", "usage-string", "usage-zero"]
BEHAVIOURS += ["fail-midstream", "first-event-error", "flaky", "crlf", "no-done", "json-for-stream"]
MODELS = [WHISPER, GPT, DIARIZE, *(f"{base}+{behaviour}" for base in (WHISPER, GPT) for behaviour in BEHAVIOURS)]


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@dataclass(frozen=True)
class Gateway:
    """A served gateway; `sdk` is its customer."""

    world: TranscriptionWorld
    sdk: openai.AsyncOpenAI
    http: httpx.AsyncClient

    async def row(self) -> UsageRow:
        return await self.world.settled_row()

    async def events(self, model: str, **more: Any) -> list[Any]:
        stream = await self.sdk.audio.transcriptions.create(model=model, file=("a.wav", wav()), stream=True, **more)
        return [event async for event in stream]


@pytest.fixture
async def gateway(base_url: str) -> AsyncIterator[Gateway]:
    world, client = TranscriptionWorld(), AiohttpClient()
    world.models.found = [_entry(name, number) for number, name in enumerate(MODELS)]
    one = world.providers["one"]
    world.providers["one"] = replace(one, base_url=base_url, first_byte_timeout_s=1.0, idle_timeout_s=1.0)
    world.transcription = TranscriptionService(world.calls, OpenAiTranscription(client), world.uploads)
    secret = await world.open()
    async with _served(world) as url:
        headers = {"authorization": f"Bearer {secret}"}
        sdk = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=secret, max_retries=0)
        async with sdk, httpx.AsyncClient(base_url=url, headers=headers) as http:
            yield Gateway(world, sdk, http)
    await client.aclose()


def _entry(name: str, number: int) -> Model:
    changes = {"id": name, "code": f"z{number:02}", "aliases": [], "upstreams": [{"provider": "one", "model": name}]}
    return parse_model({**SHIPPED[name.partition("+")[0]], **changes})


@asynccontextmanager
async def _served(world: TranscriptionWorld) -> AsyncIterator[str]:
    app = create_app(world.set_up, [audio_routes.router], audio_routes.hot_routes)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", loop="none"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.ensure_future(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await task


async def test_the_sdk_transcribes_by_the_second(gateway: Gateway) -> None:
    answer = await gateway.sdk.audio.transcriptions.create(model=WHISPER, file=("x.mp3", wav()))
    assert (answer.text, answer.usage and answer.usage.type) == (HEARD, "duration")
    row = await gateway.row()
    assert (row.usage.milliseconds, row.cost, row.overrun) == (3000, 300_000, 0)


async def test_the_sdk_transcribes_by_tokens(gateway: Gateway) -> None:
    answer = await gateway.sdk.audio.transcriptions.create(model=GPT, file=wav(), prompt="two words")
    assert (answer.text, answer.usage and answer.usage.type) == (HEARD, "tokens")
    row = await gateway.row()
    assert row.cost == 2 * 2500 + 25 * 6000 + 6 * 10_000
    assert row.usage_source is UsageSource.UPSTREAM


async def test_the_sdk_gets_words_and_segments(gateway: Gateway) -> None:
    answer = await gateway.sdk.audio.transcriptions.create(
        model=WHISPER,
        file=io.BytesIO(encoded("mp3", "libmp3lame")),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        temperature=0.2,
    )
    assert answer.words
    assert answer.segments
    assert abs(answer.duration - 2.5) < 0.1
    assert answer.usage is not None
    assert (await gateway.row()).usage.milliseconds == answer.usage.seconds * 1000


@deprecated
@pytest.mark.parametrize(("kind", "start"), [("text", "Received"), ("srt", "1\n00:"), ("vtt", "WEBVTT")])
@pytest.mark.parametrize("task", ["transcriptions", "translations"])
async def test_the_sdk_gets_text_formats(gateway: Gateway, task: str, kind: Any, start: str) -> None:
    answer = await getattr(gateway.sdk.audio, task).create(model=WHISPER, file=wav(), response_format=kind)
    assert answer.startswith(start)
    row = await gateway.row()
    source = UsageSource.UPSTREAM if kind == "text" else UsageSource.REQUEST
    assert (row.cost, row.usage_source, row.endpoint) == (300_000, source, f"audio.{task}")


@deprecated
async def test_the_sdk_translates(gateway: Gateway) -> None:
    answer = await gateway.sdk.audio.translations.create(model=WHISPER, file=wav(), prompt="say: hello")
    assert answer.text == "hello"
    assert (await gateway.row()).cost == 300_000


@pytest.mark.parametrize("model", [WHISPER, GPT, f"{GPT}+json-for-stream", f"{GPT}+crlf"])
async def test_the_sdk_streams_whatever_the_model_does(gateway: Gateway, model: str) -> None:
    events = await gateway.events(model)
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == HEARD
    assert (events[-1].type, events[-1].text) == ("transcript.text.done", HEARD)
    row = await gateway.row()
    assert (row.ended, row.streamed, row.usage_source) == (Ended.COMPLETE, True, UsageSource.UPSTREAM)
    assert events[-1].usage.cost == f"0.{row.cost:09d}"


async def test_the_sdk_gets_speakers(gateway: Gateway) -> None:
    create = gateway.sdk.audio.transcriptions.create
    chunking: Any = {"type": "server_vad", "threshold": 0.5}
    answer = await create(model=DIARIZE, file=wav(), response_format="diarized_json", chunking_strategy=chunking)
    assert answer.segments[0].speaker == "A"
    events = await gateway.events(DIARIZE, response_format="diarized_json", chunking_strategy="auto")
    assert "transcript.text.segment" in {event.type for event in events}


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        ("error-500", 502),
        ("error-429", 429),
        ("error-400", 400),
        ("error-200", 502),
        ("error-html", 502),
        ("empty", 502),
        ("cut", 502),
        ("eof", 502),
        ("hang", 504),
    ],
)
@pytest.mark.parametrize("base", [WHISPER, GPT])
async def test_a_provider_that_fails_costs_nothing(gateway: Gateway, base: str, behaviour: str, status: int) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await gateway.sdk.audio.transcriptions.create(model=f"{base}+{behaviour}", file=wav())
    assert caught.value.status_code == status
    row = await gateway.row()
    assert (row.cost, row.usage_source) == (0, UsageSource.NONE)


@pytest.mark.parametrize("behaviour", ["cut", "eof", "fail-midstream"])
async def test_a_stream_that_breaks_raises_in_the_sdk(gateway: Gateway, behaviour: str) -> None:
    with pytest.raises(openai.APIError):
        await gateway.events(f"{GPT}+{behaviour}")
    row = await gateway.row()
    assert (row.ended, row.cost) == (Ended.MID_STREAM_ERROR, 0)


@pytest.mark.parametrize("behaviour", ["no-usage", "usage-huge", "usage-negative", "usage-float", "usage-string"])
async def test_usage_that_is_none_is_measured(gateway: Gateway, behaviour: str) -> None:
    await gateway.sdk.audio.transcriptions.create(model=f"{GPT}+{behaviour}", file=wav())
    row = await gateway.row()
    assert (row.cost, row.usage_source) == (25 * 6000 + 11 * 10_000, UsageSource.ESTIMATED)  # 43 bytes of text


async def test_an_explicit_zero_is_a_zero(gateway: Gateway) -> None:
    await gateway.sdk.audio.transcriptions.create(model=f"{WHISPER}+usage-zero", file=wav())
    assert ((await gateway.row()).cost, (await gateway.row()).usage_source) == (0, UsageSource.UPSTREAM)


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("mp3", "libmp3lame", 16_000),
        ("flac", "flac", 16_000),
        ("ogg", "libopus", 48_000),
        ("ipod", "aac", 44_100),
        ("webm", "libopus", 48_000),
    ],
)
async def test_what_we_measure_agrees_with_what_is_decoded(
    gateway: Gateway, container: str, codec: str, rate: int
) -> None:
    data = encoded(container, codec, 2.5, rate)
    await gateway.sdk.audio.transcriptions.create(model=f"{GPT}+no-usage", file=("a.txt", data))
    # Ten tokens a second.
    assert 25 <= (await gateway.row()).usage.input_audio <= 26


async def test_curl_without_a_key_or_a_model(gateway: Gateway) -> None:
    answer = await gateway.http.post("/v1/audio/transcriptions", files={"file": ("a.wav", wav())})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
