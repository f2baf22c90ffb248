"""Images: whole, as links, streamed, and edited from one file or several."""

from base64 import b64decode
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Literal

import openai
from openai import OpenAI
from openai.types import ImagesResponse

from tests.e2e.sdk_python.facts import Facts, Target, failure_facts
from tests.e2e.sdk_python.paid import Told, id_of, paid

MODEL = "gpt-image-1-mini"
PROMPT = "a red fox"
SIZE: Literal["1024x1024"] = "1024x1024"
LOW: Literal["low"] = "low"


def images_whole(target: Target) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = client.images.with_raw_response.generate(model=MODEL, prompt=PROMPT, n=2, size=SIZE, quality=LOW)
        return _whole(raw.parse()), id_of(raw)

    return paid(target, call)


def images_by_default(target: Target) -> Facts:
    """The least that can be asked."""

    def call(client: OpenAI) -> Told:
        raw = client.images.with_raw_response.generate(prompt=PROMPT)
        return _whole(raw.parse()), id_of(raw)

    return paid(target, call)


def images_as_links(target: Target) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = client.images.with_raw_response.generate(
            model="dall-e-3", prompt=PROMPT, size="1792x1024", quality="hd", response_format="url"
        )
        answer = raw.parse()
        assert answer.data is not None
        return {**_whole(answer), "items": [one.to_dict() for one in answer.data]}, id_of(raw)

    return paid(target, call)


def images_streamed(target: Target) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = client.images.with_raw_response.generate(
            model=MODEL, prompt=PROMPT, size=SIZE, quality=LOW, stream=True, partial_images=2
        )
        return {"events": [_event(one) for one in raw.parse()]}, id_of(raw)

    return paid(target, call)


def images_broken_off(target: Target) -> Facts:
    """The provider fails after the first partial image."""

    def call(client: OpenAI) -> Told:
        raw = client.images.with_raw_response.generate(
            model=MODEL,
            prompt=PROMPT,
            size=SIZE,
            quality=LOW,
            stream=True,
            partial_images=2,
            extra_body={"demo": {"fail_after_chunks": 1}},
        )
        return _until_failure(raw.parse()), id_of(raw)

    return paid(target, call)


def images_edited(target: Target) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = client.images.with_raw_response.edit(
            model=MODEL, image=("a.png", _picture(target, "picture")), prompt=PROMPT, size=SIZE, quality=LOW
        )
        return _whole(raw.parse()), id_of(raw)

    return paid(target, call)


def images_edited_from_several(target: Target) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = client.images.with_raw_response.edit(
            model=MODEL,
            image=[("a.png", _picture(target, "picture")), ("b.png", _picture(target, "other_picture"))],
            mask=("m.png", _picture(target, "picture")),
            prompt=PROMPT,
            size=SIZE,
            quality=LOW,
            stream=True,
        )
        return {"events": [_event(one) for one in raw.parse()]}, id_of(raw)

    return paid(target, call)


def _whole(answer: ImagesResponse) -> Facts:
    return {
        "digests": [_digest(one.b64_json) for one in answer.data or []],
        "usage": answer.usage.to_dict() if answer.usage else None,
    }


def _event(event: Any) -> Facts:
    usage = getattr(event, "usage", None)
    return {"type": event.type, "digest": _digest(event.b64_json), "usage": usage.to_dict() if usage else None}


def _until_failure(stream: Iterable[Any]) -> Facts:
    events: list[Facts] = []
    try:
        events.extend(map(_event, stream))
    except openai.OpenAIError as exc:
        return {"events": events, "failure": failure_facts(exc)}
    return {"events": events, "failure": None}


def _digest(encoded: str | None) -> str | None:
    return None if encoded is None else sha256(b64decode(encoded)).hexdigest()


def _picture(target: Target, name: str) -> bytes:
    return b64decode(target.config[name])


SCENARIOS = (
    images_whole,
    images_by_default,
    images_as_links,
    images_streamed,
    images_broken_off,
    images_edited,
    images_edited_from_several,
)
