"""The transcription routes through the whole app: forms in, JSON, text or events out, and one error shape."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest

from multiconnection.audio import routes as audio_routes
from multiconnection.web.app import create_app
from tests.support.audio_files import wav
from tests.support.chat_world import IP
from tests.support.transcription_world import DELTAS, GPT, TEXT, TOKENS, WHISPER, TranscriptionWorld, answer, events

pytestmark = pytest.mark.virtual_time


PATHS = ["/v1/audio/transcriptions", "/v1/audio/translations"]


@asynccontextmanager
async def app_of(world: TranscriptionWorld, *, hot: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(world.set_up, [audio_routes.router], audio_routes.hot_routes if hot else None)
    headers = {"authorization": f"Bearer {await world.open()}"}
    transport = httpx.ASGITransport(app=app, client=(IP, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        yield client


def form(model: str = WHISPER, **fields: Any) -> dict[str, Any]:
    return {"data": {"model": model, **fields}, "files": {"file": ("speech.wav", wav(), "audio/wav")}}


def error_of(reply: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = reply.json()["error"]
    assert {"message", "type", "param", "code"} <= found.keys()
    return found


@pytest.mark.parametrize("hot", [True, False])
@pytest.mark.parametrize("path", PATHS)
async def test_json_has_text_usage_and_cost(path: str, hot: bool) -> None:
    world = TranscriptionWorld(answer({"text": TEXT, "usage": {"type": "duration", "seconds": 3}}))
    async with app_of(world, hot=hot) as client:
        reply = await client.post(path, **form())
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == {"text": TEXT, "usage": {"type": "duration", "seconds": 3, "cost": "0.000300000"}}
    assert reply.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("kind", ["text", "srt", "vtt"])
async def test_text_formats_are_plain_text(kind: str) -> None:
    said = answer({"text": "Grüße"}) if kind == "text" else answer("Grüße\n".encode())
    async with app_of(TranscriptionWorld(said)) as client:
        reply = await client.post(PATHS[0], **form(response_format=kind))
    assert (reply.content, reply.headers["content-type"]) == ("Grüße\n".encode(), "text/plain; charset=utf-8")


async def test_events_are_streamed_unbuffered() -> None:
    async with app_of(TranscriptionWorld(events())) as client:
        reply = await client.post(PATHS[0], **form(GPT, stream="true"))
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["x-accel-buffering"] == "no"
    assert reply.content.startswith(b"".join(DELTAS))
    last = orjson.loads(reply.content.rstrip().rpartition(b"data: ")[2])
    assert last["usage"] == TOKENS | {"cost": "0.000205000"}


async def test_the_key_is_looked_at_before_the_form() -> None:
    async with app_of(TranscriptionWorld()) as client:
        reply = await client.post(PATHS[0], content=b"no form", headers={"authorization": "Bearer sk-live-nope"})
    assert (reply.status_code, error_of(reply)["code"]) == (401, "invalid_api_key")


async def test_a_json_body_is_415_and_a_large_one_413() -> None:
    world = TranscriptionWorld(environment={"BODY_BYTES_MAX": "60000"})
    async with app_of(world) as client:
        reply = await client.post(PATHS[0], json={"model": WHISPER})
        assert (reply.status_code, error_of(reply)["code"]) == (415, "unsupported_media_type")
        reply = await client.post(PATHS[0], **form())
        assert (reply.status_code, error_of(reply)["code"]) == (413, "request_too_large")
        assert "/v1/uploads" in error_of(reply)["message"]
    assert await world.rows() == []


async def test_the_model_may_come_after_the_file_and_must_come() -> None:
    edge = "multipart/form-data; boundary=edge"
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    tail = b'\r\n--edge\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1'
    async with app_of(TranscriptionWorld(answer())) as client:
        reply = await client.post(PATHS[0], content=head + wav() + b"\r\n--edge--", headers={"content-type": edge})
        assert reply.status_code == 400
        assert (error_of(reply)["code"], error_of(reply)["param"]) == ("missing_required_parameter", "model")
        whole = head + wav() + tail + b"\r\n--edge--\r\n"
        reply = await client.post(PATHS[0], content=whole, headers={"content-type": edge})
    assert reply.json()["text"] == TEXT


async def test_other_methods_are_405() -> None:
    async with app_of(TranscriptionWorld()) as client:
        for path in PATHS:
            assert (await client.get(path)).status_code == 405
