"""Embeddings and moderations at an OpenAI-compatible provider."""

import binascii
import sys
from array import array
from base64 import b64decode, b64encode
from math import isinf
from typing import Any

from multiconnection.calls.upstream import Completion, Outcome
from multiconnection.catalog.models import Provider
from multiconnection.providers.errors import answer_body, empty_answer, not_an_answer
from multiconnection.providers.http import Exchange, Http, Outgoing
from multiconnection.providers.usage import outcome_of, read_usage
from multiconnection.usage import Usage

from .request import InputCall

# 2,048 vectors of 3,072 numbers are 33 MB as base64.
EMBEDDINGS_BYTES_MAX = 64 * 1024 * 1024
FLOAT_BYTES = 4


class OpenAiInputs:
    """The dialect of a provider. Holds no state but the network: one instance serves all providers."""

    def __init__(self, http: Http) -> None:
        self._exchange = Exchange(http)

    async def embed(self, provider: Provider, call: InputCall) -> Completion[dict[str, Any]]:
        """Every input's vector, in the format that was asked for whatever the provider sent. Raises UpstreamError."""
        raw, _ = await self._exchange.whole(provider, _outgoing(provider, call), EMBEDDINGS_BYTES_MAX)
        body = answer_body(raw, provider)
        data = body.get("data")
        if not isinstance(data, list) or len(data) != call.inputs:
            raise not_an_answer() if data else empty_answer()
        body["data"] = [_item(item, index, call.encoding_format) for index, item in enumerate(data)]
        return Completion({**body, "object": "list"}, _outcome(body, provider, call))

    async def moderate(self, provider: Provider, call: InputCall) -> Completion[dict[str, Any]]:
        """Raises UpstreamError."""
        raw, _ = await self._exchange.whole(provider, _outgoing(provider, call))
        body = answer_body(raw, provider)
        if not isinstance(body.get("results"), list) or not body["results"]:
            raise empty_answer()
        return Completion(body, _outcome(body, provider, call))


def _outgoing(provider: Provider, call: InputCall) -> Outgoing:
    fields = provider.parameters.forwarded(call.endpoint, call.body)
    return Outgoing.json(f"/{call.endpoint}", {**fields, "model": call.upstream_model})


def _item(item: object, position: int, encoding_format: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise not_an_answer()
    try:
        vector = in_format(item.get("embedding"), encoding_format)
    except ValueError as exc:
        raise not_an_answer() from exc
    return {"index": position, **item, "object": "embedding", "embedding": vector}


def _outcome(body: dict[str, Any], provider: Provider, call: InputCall) -> Outcome:
    """Counts the input only; some providers call it the total."""
    given, reported = body.pop("usage", None), None
    if isinstance(given, dict):
        tokens = given.get("total_tokens") if given.get("prompt_tokens") is None else given["prompt_tokens"]
        only_input = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": None}
        reported = read_usage({**given, **only_input, "completion_tokens_details": None}, provider.quirks)
    return outcome_of(reported, Usage(input=call.tokens_max), Usage(input=call.tokens_estimate))


def in_format(vector: object, encoding_format: str) -> str | list[float]:
    """The vector as `float` (numbers) or `base64` (of little-endian 32-bit floats), whichever of them it came in.

    Raises ValueError for neither.
    """
    if isinstance(vector, str):
        floats = from_base64(vector)
        return vector if encoding_format == "base64" else floats.tolist()
    if not isinstance(vector, list) or not vector or not all(type(number) in (int, float) for number in vector):
        raise ValueError("not a vector")
    return to_base64(vector) if encoding_format == "base64" else vector


def from_base64(text: str) -> "array[float]":
    """Raises ValueError."""
    try:
        raw = b64decode(text, validate=True)
    except binascii.Error as exc:
        raise ValueError("not base64") from exc
    if not raw or len(raw) % FLOAT_BYTES:
        raise ValueError("not 32-bit floats")
    return _little_endian(array("f", raw))


def to_base64(numbers: list[float]) -> str:
    """Raises ValueError for numbers that do not fit into 32-bit floats."""
    try:
        floats = array("f", numbers)
    except OverflowError as exc:
        raise ValueError("not 32-bit floats") from exc
    if any(map(isinf, floats)):
        raise ValueError("not 32-bit floats")
    return b64encode(_little_endian(floats).tobytes()).decode("ascii")


def _little_endian(floats: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        floats.byteswap()
    return floats
