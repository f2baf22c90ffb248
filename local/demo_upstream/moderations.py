"""POST /moderations: flags texts by plain words."""

import os
from collections.abc import Iterable
from itertools import count
from typing import Any

import orjson

from local.demo_upstream.ask import BadRequest
from local.demo_upstream.call import Call
from local.demo_upstream.fields import missing

# The words that flag a text, by category; a category without words is never flagged.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "harassment": ("harass",),
    "harassment/threatening": (),
    "hate": ("hate",),
    "hate/threatening": (),
    "illicit": ("illicit",),
    "illicit/violent": (),
    "self-harm": ("self-harm",),
    "self-harm/intent": (),
    "self-harm/instructions": (),
    "sexual": ("sexual",),
    "sexual/minors": (),
    "violence": ("violence", "violent", "kill"),
    "violence/graphic": ("gore",),
}
SCORE_FLAGGED, SCORE_CLEAN = 0.95, 0.0001
# What OpenAI looks for in pictures too.
SEEN_IN_IMAGES = ("self-harm", "sexual", "violence")

_run = os.urandom(8).hex()
_numbers = count(1)


async def moderate(call: Call) -> None:
    """One result for each text; one for all parts of a multimodal input."""
    items = _items(call.fields.get("input"))
    body = {
        "id": f"modr-{_run}{next(_numbers):08x}",
        "model": call.model,
        "results": [_result(text, pictured=pictured) for text, pictured in items],
    }
    await call.respond(orjson.dumps(body))


def _items(given: Any) -> list[tuple[str, bool]]:
    """Texts, each with whether there are pictures with it."""
    if given is None:
        raise missing("input")
    if isinstance(given, str):
        return [(given, False)]
    if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
        return [(one, False) for one in given]
    if isinstance(given, list) and given and all(isinstance(one, dict) for one in given):
        return [_joined(given)]
    raise BadRequest("Invalid 'input': expected a text, texts or parts.", "input", "invalid_type")


def _joined(parts: list[dict[str, Any]]) -> tuple[str, bool]:
    kinds = {part.get("type") for part in parts}
    if not kinds <= {"text", "image_url"}:
        raise BadRequest("Invalid 'input': parts are of type text or image_url.", "input", "invalid_value")
    return " ".join(str(part.get("text", "")) for part in parts), "image_url" in kinds


def _result(text: str, *, pictured: bool) -> dict[str, Any]:
    lowered = text.lower()
    found = {name for name, words in CATEGORIES.items() if any(word in lowered for word in words)}
    return {
        "flagged": bool(found),
        "categories": {name: name in found for name in CATEGORIES},
        "category_scores": {name: SCORE_FLAGGED if name in found else SCORE_CLEAN for name in CATEGORIES},
        "category_applied_input_types": {name: list(_looked_at(name, bool(text), pictured)) for name in CATEGORIES},
    }


def _looked_at(category: str, texts: bool, pictured: bool) -> Iterable[str]:
    if texts:
        yield "text"
    if pictured and category.startswith(SEEN_IN_IMAGES) and category != "sexual/minors":
        yield "image"
