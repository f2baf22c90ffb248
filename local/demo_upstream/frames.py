"""Server-sent events of a streamed answer; what all chunks have in common is encoded once."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from local.demo_upstream.answer import Answer, Choice, ToolCall

DONE = b"data: [DONE]\n\n"
FINGERPRINT = "fp_demo"
Json = dict[str, Any]


def error_event(error: Mapping[str, Any]) -> bytes:
    """An error in the middle of a stream, as OpenAI sends it."""
    return b"data: " + orjson.dumps(error) + b"\n\n"


def named_event(name: str, data: Mapping[str, Any]) -> bytes:
    """An event that says its type twice, as all streams but those of completions do."""
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps({"type": name, **data}) + b"\n\n"


def delta(index: int, change: Mapping[str, Any], finish: str | None = None, logprobs: Json | None = None) -> Json:
    """A chunk's choice."""
    return {"index": index, "delta": change, "logprobs": logprobs, "finish_reason": finish}


def scores(pieces: Iterable[str], top: int) -> Json:
    """A `logprobs` object of plausible shape."""
    return {"content": [_score(piece, top) for piece in pieces], "refusal": None}


def _score(piece: str, top: int) -> Json:
    token: Json = {"token": piece, "logprob": -0.125, "bytes": list(piece.encode())}
    return {**token, "top_logprobs": [{**token, "logprob": -0.125 - rank} for rank in range(top)]}


def tool_deltas(call: ToolCall, position: int) -> list[Json]:
    """The call's deltas: id, type and name first, then only fragments of its arguments."""
    head = {"index": position, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
    rest = [{"index": position, "function": {"arguments": fragment}} for fragment in call.fragments]
    return [{"tool_calls": [one]} for one in (head, *rest)]


class Frames:
    """Encodes the chunks of one answer."""

    def __init__(self, answer: Answer, *, null_usage: bool) -> None:
        common = {
            "id": answer.id,
            "object": "chat.completion.chunk",
            "created": answer.created,
            "model": answer.model,
            "service_tier": "default",
            "system_fingerprint": FINGERPRINT,
        }
        self._head = b"data: " + orjson.dumps(common)[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if null_usage else b"]}\n\n"

    def frame(self, choice: Json | None, extra: Json | None = None) -> bytes:
        """One event; `extra` fields stand in the place of a null usage."""
        tail = self._tail if extra is None else b"]," + orjson.dumps(extra)[1:-1] + b"}\n\n"
        return self._head + (b"" if choice is None else orjson.dumps(choice)) + tail

    def texts(self, choice: Choice) -> list[bytes]:
        """The content chunks of a choice, the hot path: only the piece itself is encoded."""
        head = self._head + b'{"index":%d,"delta":{"content":' % choice.index
        tail = b'},"logprobs":null,"finish_reason":null}' + self._tail
        return [head + orjson.dumps(piece) + tail for piece in choice.pieces]
