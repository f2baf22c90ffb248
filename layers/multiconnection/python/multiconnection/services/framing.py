"""How an answer that comes in pieces tells of silence and of failure: by dialect of its stream."""

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from multiconnection.domain.gateway_error import GatewayError

SSE_MEDIA_TYPE = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Framing:
    """`error` writes a failure into the body; None where a body has no room for one and can only be cut off."""

    media_type: str
    error: Callable[[GatewayError], bytes] | None

    @property
    def is_events(self) -> bool:
        """Only between events is there room for a keep-alive."""
        return self.error is not None


def error_event(error: GatewayError) -> bytes:
    """One SSE event without an `event:` line: both OpenAI SDKs raise APIError at it."""
    return b"data: " + orjson.dumps(error.body()) + b"\n\n"


def named_error_event(error: GatewayError) -> bytes:
    """The failure in a stream of named events (images, transcriptions, speech): both SDKs raise APIError at it."""
    return b"event: error\ndata: " + orjson.dumps({"type": "error", **error.body()}) + b"\n\n"


CHUNKS = Framing(SSE_MEDIA_TYPE, error_event)
NAMED_EVENTS = Framing(SSE_MEDIA_TYPE, named_error_event)


def raw(media_type: str) -> Framing:
    """Bytes such as audio: what is not whole must not end cleanly."""
    return Framing(media_type, None)
