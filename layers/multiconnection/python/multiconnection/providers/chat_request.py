"""The request to a provider: the caller's body with the few members that we answer for set by us."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from multiconnection.domain.provider import Provider
from multiconnection.services.ports import ChatCall

from .wire_json import encode

USER_AGENT = "MultiConnection/0.1"
OUTPUT_LIMIT_FIELDS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Ready to be posted. `headers` holds the provider's key: it is never printed."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"ChatRequest({len(self.body)} bytes)"


def chat_request(provider: Provider, call: ChatCall, *, stream_options: bool = True) -> ChatRequest:
    """Raises ValueError when the body cannot be written as JSON."""
    return ChatRequest(
        url=endpoint(provider.base_url, "/chat/completions"),
        headers=request_headers(provider, stream=call.stream),
        body=encode(request_body(provider, call, stream_options=stream_options)),
    )


def endpoint(base_url: str, path: str) -> str:
    """`path` below the base URL, before its query if it has one (Azure's `?api-version=`)."""
    parts = urlsplit(base_url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + path, fragment=""))


def request_headers(provider: Provider, *, stream: bool) -> dict[str, str]:
    """Only our own: nothing of the caller's headers reaches a provider."""
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
        "user-agent": USER_AGENT,
    }
    if provider.api_key and provider.auth == "bearer":
        headers["authorization"] = f"Bearer {provider.api_key}"
    elif provider.api_key and provider.auth == "api-key":
        headers["api-key"] = provider.api_key
    return headers


def request_body(provider: Provider, call: ChatCall, *, stream_options: bool = True) -> dict[str, Any]:
    """A copy of the caller's body; the output bound that was paid for replaces whatever bound the caller gave."""
    own = ("stream_options", *OUTPUT_LIMIT_FIELDS)
    body = {name: value for name, value in call.body.items() if name not in own}
    body["model"] = call.upstream_model
    body[provider.quirks.output_limit_field] = call.output_tokens_max
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
