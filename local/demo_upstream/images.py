"""POST /images/generations and /images/edits: real pictures of the asked size."""

import asyncio
import time
from typing import Any

import orjson

from local.demo_upstream.behaviours import Quirk
from local.demo_upstream.call import Call
from local.demo_upstream.dialects import Script
from local.demo_upstream.drawing import Drawing, drawing_of, is_dall_e, usage_of
from local.demo_upstream.fields import unknown
from local.demo_upstream.frames import named_event
from local.demo_upstream.gallery import GALLERY, ROUTE
from local.demo_upstream.image_inputs import input_pictures
from local.demo_upstream.serve import NAMED

Json = dict[str, Any]


async def generate(call: Call) -> None:
    """Pictures from words."""
    _refuse_unknown(call)
    await _answer(call, drawing_of(call), "image_generation")


async def edit(call: Call) -> None:
    """Pictures from words and pictures."""
    _refuse_unknown(call)
    await _answer(call, drawing_of(call, tuple(await input_pictures(call))), "image_edit")


def _refuse_unknown(call: Call) -> None:
    """Each family refuses what only the other has."""
    if is_dall_e(call):
        if call.fields.flag("stream"):
            raise unknown("stream")
    elif call.fields.get("response_format") is not None:
        raise unknown("response_format")


async def _answer(call: Call, drawing: Drawing, event: str) -> None:
    if call.streams:
        script = await asyncio.to_thread(_script, call, drawing, event)
        await call.play(NAMED, lambda: script)
        return
    body: Json = {"created": int(time.time()), "data": await asyncio.to_thread(_items, call, drawing)}
    if not is_dall_e(call):
        body |= _described(call, drawing)
        usage = usage_of(call, drawing, drawing.count, 0, with_input=True)
        body |= {} if usage is None else {"usage": usage}
    await call.respond(orjson.dumps(body))


def _items(call: Call, drawing: Drawing) -> list[Json]:
    if call.quirk is Quirk.NO_DATA:
        return []
    count = drawing.count - (call.quirk is Quirk.FEWER)
    items = [_item(call, drawing, number) for number in range(count)]
    if call.base.startswith("dall-e-3"):
        revised = f"A demo picture of {drawing.prompt}"
        return [{"revised_prompt": revised, **item} for item in items]
    return items


def _item(call: Call, drawing: Drawing, number: int) -> Json:
    if call.quirk is Quirk.BLANK_ITEM:
        return {}
    if is_dall_e(call) and call.fields.choice("response_format", ("url", "b64_json"), "url") == "url":
        path = f"{ROUTE}gone.png" if call.quirk is Quirk.URL_GONE else GALLERY.keep(drawing.image(number))
        return {"url": call.origin + path}
    return {"b64_json": drawing.encoded(number)}


def _described(call: Call, drawing: Drawing) -> Json:
    background = call.fields.text("background")
    return {
        "background": "opaque" if background in (None, "auto") else background,
        "output_format": drawing.kind,
        "quality": drawing.quality,
        "size": drawing.size_text(),
    }


def _script(call: Call, drawing: Drawing, event: str) -> Script:
    """The pictures one after the other; each completed event has the usage of its own picture."""
    body: list[bytes] = []
    told = {"created_at": int(time.time()), **_described(call, drawing)}
    if call.quirk is Quirk.NO_DATA:
        return Script([], [], [])
    for number in range(drawing.count - (call.quirk is Quirk.FEWER)):
        body += _partials(drawing, number, event, told)
        body.append(_completed(call, drawing, number, event, told))
    # A breaking stream loses its last picture, the one thing that a single picture's stream is about.
    return Script([], body[:-1], body[-1:])


def _partials(drawing: Drawing, number: int, event: str, told: Json) -> list[bytes]:
    return [
        named_event(
            f"{event}.partial_image", {"b64_json": drawing.partial(number, step), "partial_image_index": step, **told}
        )
        for step in range(drawing.partials)
    ]


def _completed(call: Call, drawing: Drawing, number: int, event: str, told: Json) -> bytes:
    usage = usage_of(call, drawing, 1, drawing.partials, with_input=number == 0)
    image = {} if call.quirk is Quirk.BLANK_ITEM else {"b64_json": drawing.encoded(number)}
    return named_event(f"{event}.completed", {**image, **told, **({} if usage is None else {"usage": usage})})
