"""Uploads: the SDK's own method makes one, and a chat, a transcription and an edit refer to it."""

import urllib.request
from base64 import b64decode
from hashlib import sha256
from typing import Any

from openai import OpenAI
from openai.types import ImagesResponse
from openai.types.audio import Transcription

from tests.e2e.sdk_python.facts import Facts, Target
from tests.e2e.sdk_python.paid import Told, id_of, paid

FORM: Any = {"headers": {"Content-Type": "multipart/form-data"}}
PROMPT = "a red fox"


def upload_in_chat(target: Target) -> Facts:
    def call(client: OpenAI) -> Told:
        reference, made = _uploaded(client, "a.png", "image/png", target.config["picture"])
        content: list[Any] = [
            {"type": "text", "text": "what is this"},
            {"type": "image_url", "image_url": {"url": reference}},
        ]
        raw = client.chat.completions.with_raw_response.create(
            model="demo-chat", messages=[{"role": "user", "content": content}]
        )
        usage = raw.parse().usage
        assert usage is not None
        return {"made": made, "prompt_tokens": usage.prompt_tokens}, id_of(raw)

    return paid(target, call)


def upload_transcribed(target: Target) -> Facts:
    """A form with the reference in the place of the file."""

    def call(client: OpenAI) -> Told:
        reference, made = _uploaded(client, "a.wav", "audio/wav", target.config["recording"])
        body = {"model": "whisper-1", "file": reference}
        answer = client.post("/audio/transcriptions", cast_to=Transcription, body=body, options=FORM)
        return {"made": made, "text": answer.text}, _id(answer)

    return paid(target, call)


def upload_edited(target: Target) -> Facts:
    """JSON, as the API has it beside the form."""

    def call(client: OpenAI) -> Told:
        reference, made = _uploaded(client, "a.png", "image/png", target.config["picture"])
        body: Facts = {"model": "gpt-image-1-mini", "prompt": PROMPT, "size": "1024x1024", "quality": "low"}
        body |= {"images": [{"image_url": reference}]}
        answer = client.post("/images/edits", cast_to=ImagesResponse, body=body)
        encoded = answer.data[0].b64_json if answer.data else None
        return {"made": made, "digest": sha256(b64decode(encoded or "")).hexdigest()}, _id(answer)

    return paid(target, call)


def _uploaded(client: OpenAI, filename: str, kind: str, encoded: str) -> tuple[str, Facts]:
    """The reference to the file, and the upload as it was made."""
    data = b64decode(encoded)
    made = client.uploads.create(filename=filename, bytes=len(data), mime_type=kind, purpose="vision").to_dict()
    put: Any = made["upload"]
    # Raises unless the answer is a 2xx.
    request = urllib.request.Request(put["url"], data, put["headers"], method="PUT")  # noqa: S310 - the local S3
    urllib.request.urlopen(request).close()  # noqa: S310
    return str(made["reference"]), made


def _id(answer: Any) -> str:
    return str(answer._request_id)


SCENARIOS = (upload_in_chat, upload_transcribed, upload_edited)
