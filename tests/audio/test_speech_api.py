"""Speech over HTTP: its own endpoint, the chat endpoint as the product's reference has it, and what goes where."""

from typing import Any

import httpx
import pytest

from multiconnection.audio import routes as audio_routes
from multiconnection.catalog import routes as catalog_routes
from multiconnection.chat import routes as chat_routes
from multiconnection.history import routes as history_routes
from multiconnection.usage import Ended
from multiconnection.web.app import create_app
from tests.support.assertions import assert_common_headers, assert_error
from tests.support.chat_app import ChatApp
from tests.support.chat_world import MESSAGES
from tests.support.fake_http import json_reply
from tests.support.speech_world import AUDIO, MINI, TTS, USAGE, SpeechWorld, audio, events

pytestmark = pytest.mark.virtual_time


SPEECH, CHAT = "/v1/audio/speech", "/v1/chat/completions"
ROUTERS = (chat_routes.router, audio_routes.router, catalog_routes.router, history_routes.router)
BODY: dict[str, Any] = {"model": TTS, "input": "The quick brown fox jumped over the lazy dog.", "voice": "alloy"}
COST = 45 * 15_000


def app(*replies: Any) -> ChatApp:
    """Chat on the hot path as it is deployed, speech on FastAPI's own way."""
    return ChatApp(SpeechWorld(*replies), ROUTERS)


@pytest.mark.parametrize("path", [SPEECH, CHAT])
async def test_both_endpoints_answer_with_the_bytes_of_an_mp3(path: str) -> None:
    async with app(audio()) as gateway:
        response = await gateway.send(path, **BODY)
        assert (response.status_code, response.content) == (200, b"".join(AUDIO))
        assert response.headers["content-type"] == "audio/mpeg"
        assert response.headers["cache-control"] == "no-cache"
        assert_common_headers(response)
        row = await gateway.world.settled_row()
        assert (row.cost, row.endpoint, row.ended) == (COST, "audio.speech", Ended.COMPLETE)
        told = (await gateway.get(f"/v1/usage/{response.headers['x-request-id']}")).json()
        assert told["cost"] == "0.000675000"
        assert told["usage"]["characters"] == 45


@pytest.mark.parametrize("path", [SPEECH, CHAT])
async def test_both_endpoints_stream_events(path: str) -> None:
    async with app(events()) as gateway:
        response = await gateway.send(path, **{**BODY, "model": MINI, "stream_format": "sse"})
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.text.count("event: speech.audio.delta\n") == len(AUDIO)
        assert '"cost":"0.001220400"' in response.text.split("\n\n")[-2]
        assert (await gateway.world.settled_row()).usage.output_audio == USAGE["output_tokens"]


@pytest.mark.parametrize("path", [SPEECH, CHAT])
async def test_what_is_wrong_with_a_speech_request_is_named(path: str) -> None:
    async with app() as gateway:
        error = assert_error(await gateway.send(path, **{**BODY, "voice": "marin"}), None, 400)
        assert error["param"] == "voice"
        assert "alloy, ash, coral" in error["message"]


@pytest.mark.parametrize("path", [SPEECH, CHAT])
@pytest.mark.parametrize("raw", [rb'"\ud800"', b'"\xed\xa0\x80"', b'"\xff"'])
async def test_text_that_is_no_unicode_never_arrives(path: str, raw: bytes) -> None:
    async with app() as gateway:
        body = b'{"model":"tts-1","voice":"alloy","input":' + raw + b"}"
        headers = {"authorization": f"Bearer {gateway.secret}", "content-type": "application/json"}
        response = await gateway.http.post(path, content=body, headers=headers)
        assert "could not parse the JSON" in assert_error(response, None, 400)["message"]
        assert await gateway.world.rows() == []


async def test_an_astral_character_is_one_however_it_was_written() -> None:
    async with app(audio()) as gateway:
        body = rb'{"model":"tts-1","voice":"alloy","input":"\ud83d\ude00"}'
        headers = {"authorization": f"Bearer {gateway.secret}", "content-type": "application/json"}
        assert (await gateway.http.post(SPEECH, content=body, headers=headers)).status_code == 200
        assert (await gateway.world.settled_row()).cost == 15_000


async def test_messages_to_a_speech_model_are_answered_with_what_to_send() -> None:
    async with app() as gateway:
        error = assert_error(await gateway.chat(model=TTS), None, 400)
        assert error["param"] == "model"
        assert "is a speech model: send `input` and `voice`" in error["message"]


@pytest.mark.parametrize("path", [SPEECH, CHAT])
async def test_input_to_a_chat_model_is_answered_with_what_to_send(path: str) -> None:
    async with app() as gateway:
        error = assert_error(await gateway.send(path, **{**BODY, "model": "m-1"}), None, 400)
        assert error["param"] == "model"
        assert "is a chat model: send `messages` to POST /v1/chat/completions" in error["message"]
        assert await gateway.world.rows() == []


async def test_where_both_are_sent_the_model_decides() -> None:
    async with app(audio()) as gateway:
        spoken = await gateway.chat(**BODY)
        assert spoken.headers["content-type"] == "audio/mpeg"
        assert "messages" not in gateway.world.http.posted[0].json
        chatted = await gateway.chat(model="m-1", input="x")
        assert chatted.json()["object"] == "chat.completion"
        assert "input" not in gateway.world.upstream.calls[0][1].body


@pytest.mark.parametrize("body", [{"model": TTS}, {"model": TTS, "voice": "alloy"}, {"model": TTS, "input": None}])
async def test_neither_is_a_chat_without_messages(body: dict[str, Any]) -> None:
    async with app() as gateway:
        error = assert_error(await gateway.send(CHAT, **body), "missing_required_parameter", 400)
        assert error["param"] == "messages"


@pytest.mark.parametrize(
    ("model", "code", "status", "param"),
    [("nope", "model_not_found", 404, "model"), (7, None, 400, "model"), (None, None, 400, "model")],
)
async def test_the_chat_endpoint_has_no_default_voice(model: object, code: str | None, status: int, param: str) -> None:
    async with app() as gateway:
        response = await gateway.send(CHAT, model=model, input="x", voice="alloy", messages=MESSAGES)
        assert assert_error(response, code, status)["param"] == param


@pytest.mark.parametrize("path", [SPEECH, CHAT])
async def test_a_body_that_is_no_object_is_refused(path: str) -> None:
    async with app() as gateway:
        response = await gateway.http.post(path, json=["input"], headers={"authorization": f"Bearer {gateway.secret}"})
        assert_error(response, None, 400)


async def test_speech_without_a_key_is_refused() -> None:
    async with app() as gateway:
        assert_error(await gateway.http.post(SPEECH, json=BODY), "api_key_required", 401)


async def test_only_posts_are_taken() -> None:
    async with app() as gateway:
        response = await gateway.get(SPEECH)
        assert_error(response, "method_not_allowed", 405)
        assert response.headers["allow"] == "POST"


async def test_a_providers_refusal_reaches_the_caller_in_our_shape() -> None:
    refusal = {"error": {"message": "Bad voice.", "type": "invalid_request_error", "param": "voice", "code": "bad"}}
    async with app(json_reply(refusal, 400)) as gateway:
        error = assert_error(await gateway.send(SPEECH, **BODY), "bad", 400)
        assert (error["message"], error["param"]) == ("Bad voice.", "voice")
        assert (await gateway.world.settled_row()).cost == 0


async def test_the_hot_path_and_fastapi_answer_alike() -> None:
    world = SpeechWorld(audio(), audio())
    async with ChatApp(world, ROUTERS) as gateway:
        slow = await gateway.send(SPEECH, **BODY)
        hot = httpx.ASGITransport(app=create_app(world.set_up, ROUTERS, audio_routes.hot_routes))
        async with httpx.AsyncClient(transport=hot, base_url="http://gateway") as client:
            fast = await client.post(SPEECH, json=BODY, headers={"authorization": f"Bearer {gateway.secret}"})
    assert (slow.status_code, slow.content) == (fast.status_code, fast.content)
    assert slow.headers.keys() == fast.headers.keys()
