"""The request to a provider: the caller's body with the few members that we answer for set by us."""

from collections.abc import Mapping
from typing import Any

from multiconnection.domain.parameters import CHAT, COMPLETIONS
from multiconnection.domain.provider import Provider
from multiconnection.services.ports import ChatCall

from .exchange import EVENTS, JSON, Outgoing
from .wire_json import encode

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
