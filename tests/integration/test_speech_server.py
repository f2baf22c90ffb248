"""The official SDK speaks over real sockets, and gets the very bytes of the provider.

What speech shares with the other endpoints is in test_endpoints_server.py.
"""

import openai
import pytest

from multiconnection.usage import Ended, UsageSource
from tests.support.served_gateway import ServedGateway
from tests.support.speech_world import HD, MINI, TTS

TEXT = "Guten Morgen, schöne Welt 😀"
PRICE = {TTS: 15_000, HD: 30_000}


async def direct(gateway: ServedGateway, text: str, voice: str, speed: float = 1, audio_format: str = "mp3") -> bytes:
    """The provider's own answer."""
    body = {"model": TTS, "input": text, "voice": voice, "speed": speed, "response_format": audio_format}
    return (await gateway.http.post(f"{gateway.upstream_url}/audio/speech", json=body)).content


@pytest.mark.parametrize("audio_format", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
@pytest.mark.parametrize("model", [TTS, HD, MINI])
async def test_the_sdk_gets_the_very_bytes_of_the_provider(
    gateway: ServedGateway, model: str, audio_format: str
) -> None:
    answer = await gateway.sdk.audio.speech.create(
        model=model,
        input=TEXT,
        voice="onyx",
        speed=2,
        response_format=audio_format,  # type: ignore[arg-type]
    )
    assert answer.content == await direct(gateway, TEXT, "onyx", 2, audio_format)
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


async def test_the_sdk_streams_the_bytes(gateway: ServedGateway) -> None:
    create = gateway.sdk.audio.speech.with_streaming_response.create
    async with create(model=TTS, input=TEXT * 20, voice="nova") as answer:
        pieces = [piece async for piece in answer.iter_bytes(1024)]
    assert b"".join(pieces) == await direct(gateway, TEXT * 20, "nova")
    assert len(pieces) > 1


async def test_the_chat_endpoint_speaks_as_the_reference_says(gateway: ServedGateway) -> None:
    body = {"model": "tts-1", "input": "The quick brown fox jumped over the lazy dog.", "voice": "alloy"}
    answer = await gateway.http.post("/v1/chat/completions", json=body)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.content == await direct(gateway, body["input"], "alloy")
    assert (await gateway.row()).cost == 675_000


async def test_the_sdk_gets_events(gateway: ServedGateway) -> None:
    create = gateway.sdk.audio.speech.with_streaming_response.create
    async with create(model=MINI, input=TEXT, voice="cedar", stream_format="sse") as answer:
        lines = [line async for line in answer.iter_lines()]
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert set(names[:-1]) == {"speech.audio.delta"}
    assert names[-1] == "speech.audio.done"
    assert (await gateway.row()).usage_source is UsageSource.UPSTREAM


async def test_the_sdk_raises_what_we_refuse(gateway: ServedGateway) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await gateway.sdk.audio.speech.create(model=TTS, input="x", voice="marin")
    assert caught.value.param == "voice"
    assert await gateway.world.rows() == []
