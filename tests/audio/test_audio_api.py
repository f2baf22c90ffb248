"""Audio over HTTP: speech at both of its endpoints, what goes where, and forms of transcriptions.

What these routes share with all paid endpoints is in tests/calls/test_endpoints.py.
"""

from typing import Any

import httpx
import pytest

from tests.support.assertions import assert_error
from tests.support.audio_files import wav
from tests.support.chat_app import ChatApp
from tests.support.chat_world import MESSAGES
from tests.support.speech_world import TTS, SpeechWorld, audio
from tests.support.transcription_world import TEXT, WHISPER, TranscriptionWorld, answer

PATH = "/v1/audio/transcriptions"

pytestmark = pytest.mark.virtual_time


SPEECH, CHAT = "/v1/audio/speech", "/v1/chat/completions"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
BODY: dict[str, Any] = {"model": TTS, "input": "The quick brown fox jumped over the lazy dog.", "voice": "alloy"}


def app(*replies: Any) -> ChatApp:
    return ChatApp(SpeechWorld(*replies))


@pytest.mark.parametrize("path", [SPEECH, CHAT])
async def test_the_characters_of_a_call_are_shown(path: str) -> None:
    async with app(audio()) as gateway:
        response = await gateway.send(path, **BODY)
        found = (await gateway.get(f"/v1/usage/{response.headers['x-request-id']}")).json()
        assert (found["cost"], found["usage"]["characters"]) == ("0.000675000", 45)


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


async def transcribed(gateway: ChatApp, **body: Any) -> httpx.Response:
    return await gateway.http.post(TRANSCRIPTIONS, headers={"authorization": f"Bearer {gateway.secret}"}, **body)


@pytest.mark.parametrize("kind", ["text", "srt", "vtt"])
async def test_text_formats_are_plain_text(kind: str) -> None:
    said = answer({"text": "Grüße"}) if kind == "text" else answer("Grüße\n".encode())
    async with ChatApp(TranscriptionWorld(said)) as gateway:
        files = {"file": ("speech.wav", wav(), "audio/wav")}
        reply = await transcribed(gateway, data={"model": WHISPER, "response_format": kind}, files=files)
    assert (reply.content, reply.headers["content-type"]) == ("Grüße\n".encode(), "text/plain; charset=utf-8")


async def test_the_model_may_come_after_the_file_and_must_come() -> None:
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + wav()
    model = b'\r\n--edge\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1'
    async with ChatApp(TranscriptionWorld(answer())) as gateway:
        gateway.http.headers["content-type"] = "multipart/form-data; boundary=edge"
        reply = await transcribed(gateway, content=head + b"\r\n--edge--\r\n")
        assert assert_error(reply, "missing_required_parameter", 400)["param"] == "model"
        reply = await transcribed(gateway, content=head + model + b"\r\n--edge--\r\n")
    assert reply.json()["text"] == TEXT
