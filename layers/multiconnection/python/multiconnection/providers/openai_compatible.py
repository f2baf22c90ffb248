"""The OpenAI-compatible dialect: one class for every provider that is configuration of it."""

from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.provider import Provider
from multiconnection.services.ports import ChatCall, ChatStream, Completion, CostOf, UpstreamError

from .chat_request import ChatRequest, callers_stream_options, chat_request
from .chat_stream import UpstreamChatStream
from .completion import completion_of
from .errors import status_error, transport_error
from .http import Http, Reply, TransportFailure, read_body
from .relay import Relay

ERROR_BYTES_MAX = 256 * 1024


class OpenAiCompatible:
    """A ChatUpstream. Holds no state but the network: one instance serves all providers."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def complete(self, provider: Provider, call: ChatCall) -> Completion:
        """Raises UpstreamError."""
        reply = await self._post(provider, _request(provider, call))
        try:
            if not _is_ok(reply):
                raise await _refused(provider, reply)
            return completion_of(await read_body(reply), provider, call)
        except TransportFailure as exc:
            raise transport_error(exc) from exc
        finally:
            reply.close()

    async def stream(self, provider: Provider, call: ChatCall, cost_of: CostOf) -> ChatStream:
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
        reply = await self._post(provider, _request(provider, call))
        if _is_ok(reply):
            return reply
        body = await _error_body(reply)
        ours = provider.quirks.accepts_stream_options and not callers_stream_options(call)
        if reply.status in (400, 422) and ours and b"stream_options" in body:
            reply = await self._post(provider, _request(provider, call, stream_options=False))
            if _is_ok(reply):
                return reply
            body = await _error_body(reply)
        raise status_error(reply.status, reply.headers, body, provider)

    async def _post(self, provider: Provider, request: ChatRequest) -> Reply:
        try:
            return await self._http.post(
                request.url,
                request.headers,
                request.body,
                connect_timeout_s=provider.connect_timeout_s,
                first_byte_timeout_s=provider.first_byte_timeout_s,
                idle_timeout_s=provider.idle_timeout_s,
            )
        except TransportFailure as exc:
            raise transport_error(exc) from exc


def _request(provider: Provider, call: ChatCall, *, stream_options: bool = True) -> ChatRequest:
    try:
        return chat_request(provider, call, stream_options=stream_options)
    except ValueError as exc:
        error = RequestInvalid("The request body is nested too deeply.")
        raise UpstreamError(error, retry_elsewhere=False) from exc


def _is_ok(reply: Reply) -> bool:
    return 200 <= reply.status < 300


async def _refused(provider: Provider, reply: Reply) -> UpstreamError:
    return status_error(reply.status, reply.headers, await _error_body(reply), provider)


async def _error_body(reply: Reply) -> bytes:
    """What was said with the refusal, as far as it could be read: the status alone is enough to go on."""
    try:
        return await read_body(reply, ERROR_BYTES_MAX)
    except TransportFailure:
        return b""
    finally:
        reply.close()
