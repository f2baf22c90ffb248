"""The OpenAI-compatible dialect of chat: one class for every provider that is configuration of it."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any

from multiconnection.calls.upstream import Completion, CostOf, Outcome, UpstreamError, UpstreamStream
from multiconnection.catalog.models import Provider, Quirks
from multiconnection.catalog.parameters import CHAT, COMPLETIONS
from multiconnection.providers.errors import TransportFailure, not_an_answer, status_error, transport_error
from multiconnection.providers.http import EVENTS, JSON, Exchange, Http, Outgoing, Reply, error_body, is_ok, read_body
from multiconnection.providers.sse import BOM, EventSplitter, EventTooLarge

from .answers import THOUGHTS, chunks_of, completion_body, completion_of, texts_in
from .assembly import assembled, is_events
from .relay import Relay
from .request import ChatCall, is_thought

OUTPUT_LIMIT_FIELDS = ("max_tokens", "max_completion_tokens")
FIRST_TOKEN_GRACE_S = 1.0
# Roles whose messages differ between providers.
_OF_DIALECTS = ("assistant", "developer")
JSON_OR_HTML = b"{[<"  # no line of an event stream begins so


class OpenAiCompatible:
    """A ChatUpstream. Holds no state but the network: one instance serves all providers."""

    def __init__(self, http: Http) -> None:
        self._exchange = Exchange(http)

    async def complete(self, provider: Provider, call: ChatCall) -> Completion[dict[str, Any]]:
        """Raises UpstreamError."""
        raw, _ = await self._exchange.whole(provider, chat_request(provider, call))
        return completion_in(raw, provider, call)

    async def stream(self, provider: Provider, call: ChatCall, cost_of: CostOf) -> UpstreamStream:
        """Returns once the first event is known to be good; raises UpstreamError."""
        reply = await self._opened(provider, call)
        stream = ChatStream(provider, reply, Relay(provider, call, cost_of))
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
        reply = await self._exchange.send(provider, chat_request(provider, call))
        if is_ok(reply):
            return reply
        body = await error_body(reply)
        ours = provider.quirks.accepts_stream_options and not _callers_stream_options(call)
        if reply.status in (400, 422) and ours and b"stream_options" in body:
            reply = await self._exchange.send(provider, chat_request(provider, call, stream_options=False))
            if is_ok(reply):
                return reply
            body = await error_body(reply)
        raise status_error(reply.status, reply.headers, body, provider)


def completion_in(raw: bytes, provider: Provider, call: ChatCall) -> Completion[dict[str, Any]]:
    """A whole answer, in JSON or in events; raises UpstreamError."""
    body = assembled(raw, provider, call) if is_events(raw) else completion_body(raw, provider, legacy=call.legacy)
    return completion_of(body, provider, call)


def chat_request(provider: Provider, call: ChatCall, *, stream_options: bool = True) -> Outgoing:
    """Raises UpstreamError when the body cannot be written as JSON."""
    path = "/completions" if call.legacy else "/chat/completions"
    body = request_body(provider, call, stream_options=stream_options)
    return Outgoing.json(path, body, accept=EVENTS if call.streamed else JSON)


def request_body(provider: Provider, call: ChatCall, *, stream_options: bool = True) -> dict[str, Any]:
    """The caller's fields that may be sent here, with the few members that we answer for set by us.

    The output bound that was paid for replaces the bound that the caller gave.
    """
    own = ("stream_options", *OUTPUT_LIMIT_FIELDS)
    fields = provider.parameters.forwarded(COMPLETIONS if call.legacy else CHAT, call.body)
    body = {name: value for name, value in fields.items() if name not in own}
    if any(message.get("role") in _OF_DIALECTS for message in body.get("messages", ())):
        body["messages"] = messages_for(provider.quirks, body["messages"])
    body["model"] = call.upstream_model
    body["max_tokens" if call.legacy else provider.quirks.output_limit_field] = call.output_tokens_max
    if call.streamed:
        body["stream"] = True
        if stream_options and provider.quirks.accepts_stream_options:
            body["stream_options"] = _callers_stream_options(call) | {"include_usage": True}
    elif "stream" in body:
        body["stream"] = False
    return body


def messages_for(quirks: Quirks, messages: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """A caller's messages as a provider takes them: the same object where nothing has to be changed.

    `developer` is OpenAI's name for what others call `system`. Thoughts of earlier turns come back under any of the
    names and shapes in which they were sent.
    """
    if not any(_differs(quirks, message) for message in messages):
        return messages
    return [_message_for(quirks, message) if _differs(quirks, message) else message for message in messages]


def _differs(quirks: Quirks, message: Mapping[str, Any]) -> bool:
    role = message.get("role")
    if role == "developer":
        return not quirks.developer_role
    if role != "assistant":
        return False
    content = message.get("content")
    if isinstance(content, list) and any(map(is_thought, content)):
        return True
    return any(name != quirks.thoughts_field and name in message for name in THOUGHTS)


def _message_for(quirks: Quirks, message: Mapping[str, Any]) -> dict[str, Any]:
    if message.get("role") == "developer":
        return {**message, "role": "system"}
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    found = [*(texts_in(message.get(name)) for name in THOUGHTS)]
    found.append([text for part in parts if is_thought(part) for text in texts_in(part.get("thinking"))])
    thought = next(filter(None, map("".join, found)), "")
    sent = {name: value for name, value in message.items() if name not in THOUGHTS}
    if parts:
        sent["content"] = [part for part in parts if not is_thought(part)] or ""
    if thought and quirks.thoughts_field == "content":
        sent["content"] = [
            {"type": "thinking", "thinking": [{"type": "text", "text": thought}]},
            *_text_parts(sent.get("content")),
        ]
    elif thought and quirks.thoughts_field:
        sent[quirks.thoughts_field] = thought
    return sent


def _text_parts(content: object) -> Iterable[object]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []


def _callers_stream_options(call: ChatCall) -> dict[str, Any]:
    """Members of the caller's stream_options besides include_usage."""
    options = call.body.get("stream_options")
    if not isinstance(options, Mapping):
        return {}
    return {name: value for name, value in options.items() if name != "include_usage"}


class ChatStream:
    """An UpstreamStream: reads the provider, feeds the relay, and ends as the relay concludes.

    `prime` first, then iterate once, then `aclose`.
    """

    def __init__(self, provider: Provider, reply: Reply, relay: Relay) -> None:
        self._provider = provider
        self._reply = reply
        self._relay = relay
        self._splitter = EventSplitter()
        self._held: list[bytes] = []
        self._closed = False

    def outcome(self) -> Outcome:
        return self._relay.outcome()

    async def aclose(self) -> None:
        self._closed = True
        self._reply.close()

    async def prime(self) -> None:
        """Reads until there is something of an answer; raises UpstreamError, and the caller closes.

        A first event that only names the role is held back for FIRST_TOKEN_GRACE_S, so that a provider that fails
        before its first token can still be replaced by another.
        """
        try:
            await self._prime()
        except TransportFailure as exc:
            raise self._relay.refusal(transport_error(exc)) from exc
        except EventTooLarge as exc:
            raise not_an_answer() from exc

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for item in self._held:
            yield item
        failure: UpstreamError | None = None
        self._reply.idle_since = monotonic()
        while not self._relay.stopped:
            try:
                data = await self._reply.read()
                item = self._take(data) if data else self._relay.accept(self._splitter.flush())
            except TransportFailure as exc:
                failure = transport_error(exc)
                break
            except EventTooLarge:
                failure = not_an_answer()
                break
            if item:
                yield item
                self._reply.idle_since = monotonic()
            if not data:
                break
        if self._closed:
            return
        for item in self._relay.end(failure):
            yield item
        await self._finish()

    def _take(self, data: bytes) -> bytes:
        payloads = self._splitter.feed(data)
        if not payloads:
            return b""
        self._reply.idle_since = monotonic()
        return self._relay.accept(payloads)

    async def _finish(self) -> None:
        """Keeps the connection for another call after a [DONE], when only the end of the body is missing."""
        if self._relay.done:
            await self._reply.drain()
        else:
            self._reply.close()

    async def _prime(self) -> None:
        start = await self._first_bytes()
        if start[:1] and start[:1] in JSON_OR_HTML:
            await self._convert(start)
            return
        data: bytes | None = start
        while data is not None:
            self._hold(self._take(data) if data else self._relay.accept(self._splitter.flush()))
            if self._relay.substance:
                return
            if not data or self._relay.stopped:
                raise self._relay.refusal(None)
            data = await self._next()

    async def _first_bytes(self) -> bytes:
        """Skips blank lines ahead of an answer, which are a keep-alive."""
        start = b""
        while data := await self._reply.read():
            start = (start + data).removeprefix(BOM).lstrip()
            if start and not BOM.startswith(start):
                break
        return start

    async def _next(self) -> bytes | None:
        """None when the first token is slow and there is something to show meanwhile."""
        if not self._held:
            return await self._reply.read()
        try:
            async with asyncio.timeout(FIRST_TOKEN_GRACE_S):
                return await self._reply.read()
        except TimeoutError:
            return None

    async def _convert(self, start: bytes) -> None:
        """Takes the one JSON object with which a provider answers a stream request."""
        legacy = self._relay.legacy
        body = completion_body(await read_body(self._reply, start=start), self._provider, legacy=legacy)
        for chunk in chunks_of(body, legacy=legacy):
            self._hold(self._relay.accept_chunk(chunk))
        self._relay.done = True
        if not self._relay.substance:
            raise self._relay.refusal(None)

    def _hold(self, item: bytes) -> None:
        if item:
            self._held.append(item)
