"""Audio in: each format of a transcript, streamed ones, and translations."""

from base64 import b64decode
from functools import partial
from typing import Any

from openai import OpenAI

from tests.e2e.sdk_python.facts import Facts, Target
from tests.e2e.sdk_python.paid import Told, id_of, paid

WHISPER = "whisper-1"
TOKEN_PRICED = "gpt-4o-transcribe"
PROMPT = "names: Ada"


def transcript_json(target: Target) -> Facts:
    return _object(target, model=WHISPER)


def transcript_by_tokens(target: Target) -> Facts:
    return _object(target, model=TOKEN_PRICED, prompt=PROMPT, language="en")


def transcript_verbose(target: Target) -> Facts:
    granularities = ["word", "segment"]
    return _object(target, model=WHISPER, response_format="verbose_json", timestamp_granularities=granularities)


def transcript_text(target: Target) -> Facts:
    return _text(target, response_format="text")


def transcript_srt(target: Target) -> Facts:
    return _text(target, response_format="srt")


def transcript_vtt(target: Target) -> Facts:
    return _text(target, response_format="vtt")


def transcript_streamed(target: Target) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = client.audio.transcriptions.with_raw_response.create(
            model=TOKEN_PRICED, file=_recording(target), stream=True
        )
        return {"events": [event.to_dict() for event in raw.parse()]}, id_of(raw)

    return paid(target, call)


def translation(target: Target) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = client.audio.translations.with_raw_response.create(model=WHISPER, file=_recording(target))
        return {"answer": raw.parse().to_dict()}, id_of(raw)

    return paid(target, call)


def _object(target: Target, **fields: Any) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = _create(client, target, fields)
        return {"answer": raw.parse().to_dict()}, id_of(raw)

    return paid(target, call)


def _text(target: Target, **fields: Any) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = _create(client, target, {"model": WHISPER, **fields})
        return {"kind": raw.headers["content-type"], "text": raw.parse()}, id_of(raw)

    return paid(target, call)


def _create(client: OpenAI, target: Target, fields: dict[str, Any]) -> Any:
    return partial(client.audio.transcriptions.with_raw_response.create, file=_recording(target))(**fields)


def _recording(target: Target) -> tuple[str, bytes]:
    return ("meeting.wav", b64decode(target.config["recording"]))


SCENARIOS = (
    transcript_json,
    transcript_by_tokens,
    transcript_verbose,
    transcript_text,
    transcript_srt,
    transcript_vtt,
    transcript_streamed,
    translation,
)
