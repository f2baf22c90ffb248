"""Embeddings and moderations at an OpenAI-compatible provider."""

from typing import Any

from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.parameters import EMBEDDINGS, MODERATIONS
from multiconnection.domain.provider import Provider
from multiconnection.domain.usage import Usage
from multiconnection.services.embeddings import InputCall
from multiconnection.services.ports import Completion, Outcome, UpstreamError

from .answer import answer_body
from .errors import empty_answer, not_an_answer
from .exchange import Exchange, Outgoing
from .http import Http
from .usage import outcome_of, read_usage
from .vectors import in_format
from .wire_json import encode

# 2,048 vectors of 3,072 numbers are 33 MB as base64.
EMBEDDINGS_BYTES_MAX = 64 * 1024 * 1024


class OpenAiInputs:
    """An InputUpstream."""

    def __init__(self, http: Http) -> None:
        self._exchange = Exchange(http)

    async def embed(self, provider: Provider, call: InputCall) -> Completion:
        """Every input's vector, in the format that was asked for whatever the provider sent. Raises UpstreamError."""
        outgoing = _outgoing(EMBEDDINGS, provider, call)
        body = answer_body((await self._exchange.whole(provider, outgoing, EMBEDDINGS_BYTES_MAX))[0], provider)
        data = body.get("data")
        if not isinstance(data, list) or len(data) != call.request.inputs:
            raise not_an_answer() if data else empty_answer()
        body["data"] = [_item(item, index, call.request.encoding_format) for index, item in enumerate(data)]
        return Completion({**body, "object": "list"}, _outcome(body, provider, call))

    async def moderate(self, provider: Provider, call: InputCall) -> Completion:
        """Raises UpstreamError."""
        raw, _ = await self._exchange.whole(provider, _outgoing(MODERATIONS, provider, call))
        body = answer_body(raw, provider)
        if not isinstance(body.get("results"), list) or not body["results"]:
            raise empty_answer()
        return Completion(body, _outcome(body, provider, call))


def _outgoing(endpoint: str, provider: Provider, call: InputCall) -> Outgoing:
    fields = provider.parameters.forwarded(endpoint, call.request.body)
    try:
        return Outgoing(f"/{endpoint}", encode({**fields, "model": call.upstream_model}))
    except ValueError as exc:
        error = RequestInvalid("The request body is nested too deeply.")
        raise UpstreamError(error, retry_elsewhere=False) from exc


def _item(item: object, position: int, encoding_format: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise not_an_answer()
    try:
        vector = in_format(item.get("embedding"), encoding_format)
    except ValueError as exc:
        raise not_an_answer() from exc
    return {"index": position, **item, "object": "embedding", "embedding": vector}


def _outcome(body: dict[str, Any], provider: Provider, call: InputCall) -> Outcome:
    """Only input is counted; some providers call it the total."""
    given, reported = body.pop("usage", None), None
    if isinstance(given, dict):
        tokens = given.get("total_tokens") if given.get("prompt_tokens") is None else given["prompt_tokens"]
        only_input = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": None}
        reported = read_usage({**given, **only_input, "completion_tokens_details": None}, provider.quirks)
    return outcome_of(reported, Usage(input=call.tokens_max), Usage(input=call.tokens_estimate))
