"""The OpenAI-compatible dialect of chat: one class for every provider that is configuration of it."""

from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.provider import Provider
from multiconnection.services.ports import ChatCall, Completion, CostOf, UpstreamError, UpstreamStream

from .chat_request import callers_stream_options, chat_request
from .chat_stream import UpstreamChatStream
from .completion import completion_of
from .errors import status_error
from .exchange import Exchange, Outgoing, error_body, is_ok
from .http import Http, Reply
from .relay import Relay


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
