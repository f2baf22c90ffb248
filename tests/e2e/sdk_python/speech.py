"""Speech: whole, in pieces as they come, and as events."""

import sys
from base64 import b64encode
from typing import Any

import openai
from openai import OpenAI

from tests.e2e.sdk_python.facts import Facts, Target
from tests.e2e.sdk_python.paid import Told, id_of, paid

TEXT = "one two three"
TOKEN_PRICED = "gpt-4o-mini-tts"
# The SDK before the current major is made with httpx, the current one with httpx2; what breaks off raises as it does.
TRANSPORTS = tuple(sys.modules[name].TransportError for name in ("httpx", "httpx2") if name in sys.modules)


def speech(target: Target) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = client.audio.speech.with_raw_response.create(model="tts-1", voice="alloy", input=TEXT)
        return {"kind": raw.headers["content-type"], "audio": _text(raw.parse().content)}, id_of(raw)

    return paid(target, call)


def speech_in_pieces(target: Target) -> Facts:
    def call(client: OpenAI) -> Told:
        with client.audio.speech.with_streaming_response.create(
            model=TOKEN_PRICED,
            voice="marin",
            input=TEXT,
            instructions="very slowly",
            response_format="pcm",
            stream_format="audio",
            speed=0.5,
            extra_body={"demo": {"delay_ms": 20}},
        ) as answer:
            pieces = list(answer.iter_bytes())
        kind = answer.headers["content-type"]
        return {"kind": kind, "audio": _text(b"".join(pieces)), "pieces": len(pieces)}, id_of(answer)

    return paid(target, call)


def speech_events(target: Target) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = client.audio.speech.with_raw_response.create(
            model=TOKEN_PRICED, voice="marin", input=TEXT, response_format="wav", stream_format="sse"
        )
        return {"kind": raw.headers["content-type"], "body": raw.text}, id_of(raw)

    return paid(target, call)


def speech_cut(target: Target) -> Facts:
    """The provider dies in the middle of bare audio; the class of what is raised is the SDK's or its transport's."""

    def call(client: OpenAI) -> Told:
        pieces: list[bytes] = []
        raised = None
        with client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input=TEXT, extra_body=_cut()
        ) as answer:
            try:
                pieces.extend(answer.iter_bytes())
            except (*TRANSPORTS, openai.APIConnectionError) as exc:
                raised = type(exc).__name__
        return {"raised": raised, "audio": _text(b"".join(pieces))}, id_of(answer)

    return paid(target, call)


def _cut() -> dict[str, Any]:
    return {"demo": {"fail_after_chunks": 3, "delay_ms": 20}}


def _text(audio: bytes) -> str:
    return b64encode(audio).decode()


SCENARIOS = (speech, speech_in_pieces, speech_events, speech_cut)
