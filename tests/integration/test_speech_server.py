"""Speech over real sockets: the official SDK, our routes under uvicorn, the real dialect and the demo upstream."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx
import openai
import pytest
import uvicorn

from local.demo_upstream.testing import demo_upstream
from multiconnection.audio import routes as audio_routes
from multiconnection.audio.speech import SpeechService
from multiconnection.audio.speech_upstream import OpenAiSpeech
from multiconnection.catalog.models import Model, parse_model
from multiconnection.chat import routes as chat_routes
from multiconnection.ledger.models import UsageRow
from multiconnection.providers.http import AiohttpClient
from multiconnection.usage import Ended, UsageSource
from multiconnection.web.app import create_app
from tests.support.scripted_world import SHIPPED
from tests.support.speech_world import HD, MINI, TTS, SpeechWorld

TEXT = "Guten Morgen, schöne Welt 😀"
PRICE = {TTS: 15_000, HD: 30_000}
BEHAVIOURS = ["cut", "eof", "empty", "error-500", "error-400", "error-200", "error-html", "no-usage", "usage-huge"]
BEHAVIOURS += ["usage-negative", "usage-zero", "fail-midstream", "first-event-error", "flaky", "crlf", "hang"]
MODELS = [TTS, HD, MINI, *(f"{base}+{behaviour}" for base in (TTS, MINI) for behaviour in BEHAVIOURS)]


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@dataclass(frozen=True)
class Gateway:
    """A served gateway; `sdk` is its customer."""

    world: SpeechWorld
    sdk: openai.AsyncOpenAI
    http: httpx.AsyncClient
    base_url: str

    async def direct(self, text: str, voice: str, speed: float = 1, audio_format: str = "mp3") -> bytes:
        """What the provider itself says to it."""
        body = {"model": TTS, "input": text, "voice": voice, "speed": speed, "response_format": audio_format}
        return (await self.http.post(f"{self.base_url}/audio/speech", json=body)).content

    async def until_cut(self, heard: bytearray, **body: str) -> None:
        """Raises RemoteProtocolError where the body has no clean end."""
        async with self.http.stream("POST", "/v1/audio/speech", json=body) as answer:
            assert answer.status_code == 200
            async for piece in answer.aiter_raw():
                heard += piece

    async def row(self) -> UsageRow:
        return await self.world.settled_row()

    def bill_broken(self) -> None:
        """From now on the provider bills what broke in the middle."""
        one = self.world.providers["one"]
        self.world.providers["one"] = replace(one, quirks=replace(one.quirks, mid_stream_error_billed=True))


@pytest.fixture
async def gateway(base_url: str) -> AsyncIterator[Gateway]:
    world, client = SpeechWorld(), AiohttpClient()
    world.models.found = [_entry(name, number) for number, name in enumerate(MODELS)]
    one = world.providers["one"]
    world.providers["one"] = replace(one, base_url=base_url, first_byte_timeout_s=1.0, idle_timeout_s=1.0)
    world.speech = SpeechService(world.calls, OpenAiSpeech(client))
    secret = await world.open()
    async with _served(world) as url:
        headers = {"authorization": f"Bearer {secret}"}
        sdk = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=secret, max_retries=0)
        async with sdk, httpx.AsyncClient(base_url=url, headers=headers) as http:
            yield Gateway(world, sdk, http, base_url)
    await client.aclose()


def _entry(name: str, number: int) -> Model:
    changes = {"id": name, "code": f"z{number:02}", "aliases": [], "upstreams": [{"provider": "one", "model": name}]}
    return parse_model({**SHIPPED[name.partition("+")[0]], **changes})


@asynccontextmanager
async def _served(world: SpeechWorld) -> AsyncIterator[str]:
    app = create_app(
        world.set_up,
        [chat_routes.router, audio_routes.router],
        {**chat_routes.hot_routes, **audio_routes.hot_routes},
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", loop="none"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.ensure_future(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await task


@pytest.mark.parametrize("audio_format", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
@pytest.mark.parametrize("model", [TTS, HD, MINI])
async def test_the_sdk_gets_the_very_bytes_of_the_provider(gateway: Gateway, model: str, audio_format: str) -> None:
    answer = await gateway.sdk.audio.speech.create(
        model=model,
        input=TEXT,
        voice="onyx",
        speed=2,
        response_format=audio_format,  # type: ignore[arg-type]
    )
    assert answer.content == await gateway.direct(TEXT, "onyx", 2, audio_format)
    media_type = {"mp3": "audio/mpeg"}.get(audio_format, f"audio/{audio_format}")
    assert answer.response.headers["content-type"] == media_type
    row = await gateway.row()
    source = UsageSource.REQUEST if model in PRICE else UsageSource.UPSTREAM
    assert (row.ended, row.usage_source) == (Ended.COMPLETE, source)
    if model in PRICE:
        assert row.cost == len(TEXT) * PRICE[model]
    else:
        assert row.cost == row.usage.input * 600 + row.usage.output_audio * 12_000
        assert (row.usage.input, row.usage.output_audio > 0) == (5, True)


async def test_the_sdk_streams_the_bytes(gateway: Gateway) -> None:
    create = gateway.sdk.audio.speech.with_streaming_response.create
    async with create(model=TTS, input=TEXT * 20, voice="nova") as answer:
        pieces = [piece async for piece in answer.iter_bytes(1024)]
    assert b"".join(pieces) == await gateway.direct(TEXT * 20, "nova")
    assert len(pieces) > 1


async def test_the_chat_endpoint_speaks_as_the_reference_says(gateway: Gateway) -> None:
    body = {"model": "tts-1", "input": "The quick brown fox jumped over the lazy dog.", "voice": "alloy"}
    answer = await gateway.http.post("/v1/chat/completions", json=body)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.content == await gateway.direct(body["input"], "alloy")
    assert (await gateway.row()).cost == 675_000


async def test_the_sdk_gets_events(gateway: Gateway) -> None:
    create = gateway.sdk.audio.speech.with_streaming_response.create
    async with create(model=MINI, input=TEXT, voice="cedar", stream_format="sse") as answer:
        lines = [line async for line in answer.iter_lines()]
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert set(names[:-1]) == {"speech.audio.delta"}
    assert names[-1] == "speech.audio.done"
    assert (await gateway.row()).usage_source is UsageSource.UPSTREAM


async def test_the_sdk_raises_what_we_refuse(gateway: Gateway) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await gateway.sdk.audio.speech.create(model=TTS, input="x", voice="marin")
    assert caught.value.param == "voice"
    assert await gateway.world.rows() == []


@pytest.mark.parametrize("billed", [False, True])
@pytest.mark.parametrize("model", ["tts-1+cut", "tts-1+fail-midstream", f"{MINI}+cut", f"{MINI}+eof"])
async def test_a_cut_in_the_middle_is_a_cut_for_the_client(gateway: Gateway, model: str, billed: bool) -> None:
    if billed:
        gateway.bill_broken()
    heard = bytearray()
    with pytest.raises(httpx.RemoteProtocolError):
        await gateway.until_cut(heard, model=model, input=TEXT, voice="echo")
    whole = await gateway.direct(TEXT, "echo")
    assert whole.startswith(heard)
    assert 0 < len(heard) < len(whole)
    row = await gateway.row()
    assert row.ended is Ended.MID_STREAM_ERROR
    assert bool(row.cost) is billed
    if billed and model.startswith(TTS):
        assert row.cost == len(TEXT) * 15_000


@pytest.mark.parametrize("behaviour", ["cut", "eof", "fail-midstream"])
async def test_a_cut_in_the_middle_of_events_is_told(gateway: Gateway, behaviour: str) -> None:
    body = {"model": f"{MINI}+{behaviour}", "input": TEXT, "voice": "echo", "stream_format": "sse"}
    answer = await gateway.http.post("/v1/audio/speech", json=body)
    assert "speech.audio.done" not in answer.text
    assert answer.text.split("\n\n")[-2].startswith('event: error\ndata: {"type":"error","error":{')
    assert (await gateway.row()).ended is Ended.MID_STREAM_ERROR


@pytest.mark.parametrize("behaviour", ["no-usage", "usage-huge", "usage-negative"])
async def test_a_usage_that_is_none_is_estimated(gateway: Gateway, behaviour: str) -> None:
    answer = await gateway.sdk.audio.speech.create(model=f"{MINI}+{behaviour}", input=TEXT, voice="ash")
    assert answer.content == await gateway.direct(TEXT, "ash")
    row = await gateway.row()
    assert row.usage_source is UsageSource.ESTIMATED
    assert 0 < row.cost < row.hold


async def test_events_torn_at_awkward_bytes_are_the_same_audio(gateway: Gateway) -> None:
    answer = await gateway.sdk.audio.speech.create(model=f"{MINI}+crlf", input=TEXT, voice="ash")
    assert answer.content == await gateway.direct(TEXT, "ash")


@pytest.mark.parametrize("base", [TTS, MINI])
@pytest.mark.parametrize(
    ("behaviour", "status", "ended"),
    [
        ("error-500", 502, Ended.UPSTREAM_ERROR),
        ("error-400", 400, Ended.UPSTREAM_ERROR),
        ("error-200", 502, Ended.UPSTREAM_ERROR),
        ("error-html", 502, Ended.UPSTREAM_ERROR),
        ("first-event-error", 502, Ended.UPSTREAM_ERROR),
        ("empty", 502, Ended.EMPTY),
        ("hang", 504, Ended.UPSTREAM_ERROR),
    ],
)
async def test_what_fails_before_the_audio_costs_nothing(
    gateway: Gateway, base: str, behaviour: str, status: int, ended: Ended
) -> None:
    body = {"model": f"{base}+{behaviour}", "input": TEXT, "voice": "echo"}
    answer = await gateway.http.post("/v1/audio/speech", json=body)
    assert answer.status_code == status
    assert answer.json()["error"].keys() >= {"message", "type", "param", "code"}
    row = await gateway.row()
    assert (row.ended, row.cost) == (ended, 0)
