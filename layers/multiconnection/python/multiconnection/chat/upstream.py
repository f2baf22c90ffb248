"""The OpenAI-compatible dialect of chat: one class for every provider that is configuration of it."""

from collections.abc import Mapping
from typing import Any

from multiconnection.calls.upstream import ChatCall, Completion, CostOf, UpstreamError, UpstreamStream
from multiconnection.catalog.models import Provider
from multiconnection.catalog.parameters import CHAT, COMPLETIONS
from multiconnection.errors import RequestInvalid
from multiconnection.providers.codec import encode
from multiconnection.providers.errors import status_error
from multiconnection.providers.http import EVENTS, JSON, Exchange, Http, Outgoing, Reply, error_body, is_ok

from .completion import completion_of
from .relay import Relay, UpstreamChatStream


class OpenAiCompatible:
    """A ChatUpstream. Holds no state but the network: one instance serves all providers."""

    def __init__(self, http: Http) -> None:
        self._exchange = Exchange(http)

    async def complete(self, provider: Provider, call: ChatCall) -> Completion:
        """Raises UpstreamError."""
        raw, _ = await self._exchange.whole(provider, _request(provider, call))
        return completion_of(raw, provider, call)

    async def stream(self, provider: Provider, call: ChatCall, cost_of: CostOf) -> UpstreamStream:
        """Returns once the first event is known to be good; raises UpstreamError."""
        reply = await self._opened(provider, call)
        stream = UpstreamChatStream(provider, reply, Relay(provider, call, cost_of))
        try:
            await stream.prime()
        except BaseException:  # also when the caller's task is cancelled: the connection must not outlive it
            await stream.aclose()
            raise
        return stream

    async def _opened(self, provider: Provider, call: ChatCall) -> Reply:
        """Old Ollama and llama.cpp servers refuse `stream_options`: once more without.

        Not when the caller put something into it: leaving it out would trade the provider's count for our estimate.
        """
        reply = await self._exchange.send(provider, _request(provider, call))
        if is_ok(reply):
            return reply
        body = await error_body(reply)
        ours = provider.quirks.accepts_stream_options and not callers_stream_options(call)
        if reply.status in (400, 422) and ours and b"stream_options" in body:
            reply = await self._exchange.send(provider, _request(provider, call, stream_options=False))
            if is_ok(reply):
                return reply
            body = await error_body(reply)
        raise status_error(reply.status, reply.headers, body, provider)


def _request(provider: Provider, call: ChatCall, *, stream_options: bool = True) -> Outgoing:
    try:
        return chat_request(provider, call, stream_options=stream_options)
    except ValueError as exc:
        error = RequestInvalid("The request body is nested too deeply.")
        raise UpstreamError(error, retry_elsewhere=False) from exc


# The request to a provider: the caller's body with the few members that we answer for set by us.

OUTPUT_LIMIT_FIELDS = ("max_tokens", "max_completion_tokens")


def chat_request(provider: Provider, call: ChatCall, *, stream_options: bool = True) -> Outgoing:
    """Raises ValueError when the body cannot be written as JSON."""
    body = encode(request_body(provider, call, stream_options=stream_options))
    return Outgoing(
        "/completions" if call.legacy else "/chat/completions", body, accept=EVENTS if call.stream else JSON
    )


def request_body(provider: Provider, call: ChatCall, *, stream_options: bool = True) -> dict[str, Any]:
    """The fields that may be sent here; the output bound that was paid for replaces whatever bound the caller gave."""
    own = ("stream_options", *OUTPUT_LIMIT_FIELDS)
    fields = provider.parameters.forwarded(COMPLETIONS if call.legacy else CHAT, call.body)
    body = {name: value for name, value in fields.items() if name not in own}
    body["model"] = call.upstream_model
    body["max_tokens" if call.legacy else provider.quirks.output_limit_field] = call.output_tokens_max
    if call.stream:
        body["stream"] = True
        if stream_options and provider.quirks.accepts_stream_options:
            body["stream_options"] = callers_stream_options(call) | {"include_usage": True}
    elif "stream" in body:
        body["stream"] = False
    return body


def callers_stream_options(call: ChatCall) -> dict[str, Any]:
    """What the caller put into stream_options besides include_usage."""
    options = call.body.get("stream_options")
    if not isinstance(options, Mapping):
        return {}
    return {name: value for name, value in options.items() if name != "include_usage"}
