"""POST /embeddings: unit vectors that depend on the input alone."""

import math
import sys
from array import array
from base64 import b64encode
from functools import lru_cache
from hashlib import shake_256
from typing import Any

import orjson

from local.demo_upstream.ask import BadRequest
from local.demo_upstream.behaviours import Quirk
from local.demo_upstream.call import Call
from local.demo_upstream.fields import missing

INPUTS_MAX = 2048
KEPT_MAX = 1024
LENGTH_DEFAULT = 1536
LENGTH_LARGE = 3072
Text = str | tuple[int, ...]


async def embed(call: Call) -> None:
    """As lists of floats, or as little-endian float32 in base64."""
    inputs = texts_of(call.fields.get("input"), "input")
    longest = LENGTH_LARGE if "large" in call.base else LENGTH_DEFAULT
    length = call.fields.integer("dimensions", longest, 1, longest)
    asked = call.fields.choice("encoding_format", ("float", "base64"), "float")
    packed = {Quirk.ALWAYS_FLOATS: False, Quirk.ALWAYS_BASE64: True}.get(call.quirk, asked == "base64")
    body: dict[str, Any] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _written(call, vector(text, length), packed)}
            for index, text in enumerate(_answered(call, inputs))
        ],
        "model": call.model,
    }
    tokens = sum(token_count(text) for text in inputs)
    usage = call.report(tokens, 0, lambda given, _made, total: {"prompt_tokens": given, "total_tokens": total})
    await call.respond(orjson.dumps(body if usage is None else {**body, "usage": usage}))


def texts_of(given: Any, name: str) -> list[Text]:
    """A text, texts, tokens or lists of tokens as one list; raises BadRequest."""
    if given is None:
        raise missing(name)
    if isinstance(given, str) or (isinstance(given, list) and given and type(given[0]) is int):
        given = [given]
    if not isinstance(given, list) or not 1 <= len(given) <= INPUTS_MAX:
        raise BadRequest(f"Invalid '{name}': expected 1 to {INPUTS_MAX} texts.", name, "invalid_type")
    return [_text(one, name) for one in given]


def token_count(text: Text) -> int:
    """Words of a text, or the tokens themselves."""
    return len(text.split()) if isinstance(text, str) else len(text)


@lru_cache(maxsize=KEPT_MAX)
def vector(text: Text, length: int) -> "array[float]":
    """Float32 values of length one; a shorter vector is the beginning of a longer one, scaled."""
    raw = array("h")
    raw.frombytes(shake_256(repr(text).encode()).digest(2 * length))
    norm = math.sqrt(sum(value * value for value in raw)) or 1.0
    return array("f", (value / norm for value in raw))


def _text(one: Any, name: str) -> Text:
    if isinstance(one, str) and one:
        return one
    if isinstance(one, list) and one and all(type(token) is int for token in one):
        return tuple(one)
    raise BadRequest(f"Invalid '{name}': expected texts or lists of tokens that are not empty.", name, "invalid_type")


def _answered(call: Call, inputs: list[Text]) -> list[Text]:
    return {Quirk.NO_DATA: [], Quirk.FEWER: inputs[:-1]}.get(call.quirk, inputs)


def _written(call: Call, found: "array[float]", packed: bool) -> Any:
    if call.quirk is Quirk.BAD_BASE64:
        return "this is not base64!"
    if not packed:
        return found.tolist()
    ordered = array("f", found)
    if sys.byteorder == "big":
        ordered.byteswap()
    return b64encode(ordered.tobytes()).decode()
