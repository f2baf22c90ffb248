"""A request to any endpoint but chat, and what all of these have in common."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from local.demo_upstream.answer import Counts
from local.demo_upstream.ask import NO_DEMO, BadRequest, Demo, demo_of, json_object
from local.demo_upstream.behaviours import Profile, Quirk, base_of, profile_of
from local.demo_upstream.canned import JSON
from local.demo_upstream.dialects import Script
from local.demo_upstream.exchange import Exchange
from local.demo_upstream.fields import Fields, missing
from local.demo_upstream.multipart import Upload, parse_form
from local.demo_upstream.serve import Style, play, respond

Scope = dict[str, Any]
Usage = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `base` is the model's name without its behaviour, `origin` where the server was reached."""

    exchange: Exchange
    model: str
    base: str
    profile: Profile
    fields: Fields
    files: dict[str, list[Upload]]
    demo: Demo
    origin: str

    @property
    def quirk(self) -> Quirk:
        return self.profile.quirk

    @property
    def streams(self) -> bool:
        return self.fields.flag("stream") and not self.profile.never_streams

    async def respond(self, body: bytes, kind: bytes = JSON) -> None:
        """Sends one body in the model's way."""
        await respond(self.exchange, self.demo, self.profile, body, 1, kind)

    async def play(self, style: Style, write_script: Callable[[], Script]) -> None:
        """Sends events in the model's way."""
        await play(self.exchange, self.demo, self.profile, style, write_script)

    def report(self, given: int, made: int, shape: Callable[[Any, Any, Any], Usage]) -> Usage | None:
        """Usage in the endpoint's shape, of input, output and total as the model reports them; None for nothing."""
        counted = self.profile.usage(Counts(given, made, 0, 0))
        if counted is None or self.demo.usage is not None:
            return counted and self.demo.usage
        return shape(counted["prompt_tokens"], counted["completion_tokens"], counted["total_tokens"])


Endpoint = Callable[[Call], Awaitable[None]]


async def receive_call(scope: Scope, exchange: Exchange, default_model: str | None) -> Call:
    """Reads body and model; what else the body says is the endpoint's business."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    fields, files = _parsed(headers.get(b"content-type", ""), await exchange.body())
    model = fields.text("model") or default_model
    if model is None:
        raise missing("model")
    return Call(
        exchange=exchange,
        model=model,
        base=base_of(model),
        profile=profile_of(model),
        fields=fields,
        files=files,
        demo=_demo(fields),
        origin=f"{scope['scheme']}://{headers.get(b'host', '127.0.0.1')}",
    )


def told(call: Call) -> dict[str, Any]:
    """What /_stats tells of the request; a file only by name, type and size."""
    files = {
        name: [{"filename": one.name, "content_type": one.kind, "bytes": len(one.data)} for one in found]
        for name, found in call.files.items()
    }
    return {**call.fields.values, **files}


def _parsed(content_type: str, body: bytes) -> tuple[Fields, dict[str, list[Upload]]]:
    if not content_type.lower().startswith("multipart/form-data"):
        return Fields(json_object(body)), {}
    form = parse_form(content_type, body)
    return Fields(form.fields, form=True), form.files


def _demo(fields: Fields) -> Demo:
    given = fields.get("demo")
    if not isinstance(given, str):
        return NO_DEMO if given is None else demo_of(given)
    try:
        return demo_of(orjson.loads(given))
    except orjson.JSONDecodeError as exc:
        raise BadRequest("Invalid 'demo': expected JSON.", "demo", "invalid_type") from exc
