"""Chat answers as providers write them, OpenAI and others: whole and streamed, with usage right or wrong."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import orjson

from local.demo_upstream.wire import Demo, Json

T = TypeVar("T")

KEEP_ALIVE = b": keep-alive\n\n"
KEEP_ALIVE_EVERY = 3
COMMENT = ": größer\n\n".encode()
FINGERPRINT = "fp_demo"


@dataclass(frozen=True, slots=True)
class Ask:
    """A chat request; `body` keeps all of its fields as received.

    `logprobs` is the number of alternatives for each token, or None if none were asked for.
    """

    model: str
    messages: list[dict[str, Any]]
    stream: bool
    include_usage: bool
    n: int
    tokens_max: int | None
    logprobs: int | None
    demo: Demo
    body: Json


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call; the fragments joined are its JSON arguments."""

    id: str
    name: str
    fragments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the `n` answers: pieces of text, or tool calls."""

    index: int
    pieces: tuple[str, ...]
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens by the rule in the package's docstring; `completion` includes `reasoning`."""

    prompt: int
    completion: int
    reasoning: int
    cached: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `usage` is what will be reported, None for nothing; `usage_given` if the request set it."""

    id: str
    created: int
    model: str
    choices: tuple[Choice, ...]
    counts: Counts
    usage: Json | None
    usage_given: bool
    reasoning_pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """The events of a stream in order, without `[DONE]`; the body has one for each piece."""

    opening: list[bytes]
    body: list[bytes]
    closing: list[bytes]


UsageRule = Callable[[Counts], Json | None]
Dialect = Callable[[Ask, Answer], Script]


def openai_usage(counts: Counts) -> Json:
    """OpenAI's object: cached is a part of the prompt, reasoning a part of the completion."""
    return {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.completion,
        "total_tokens": counts.prompt + counts.completion,
        "prompt_tokens_details": {"cached_tokens": counts.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": counts.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def deepseek_usage(counts: Counts) -> Json:
    """DeepSeek caches by itself; hit and miss add up to the prompt."""
    hit = counts.prompt // 2
    return {
        **_plain_usage(counts.prompt, counts.completion, counts.prompt + counts.completion),
        "prompt_cache_hit_tokens": hit,
        "prompt_cache_miss_tokens": counts.prompt - hit,
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }


def gemini_usage(counts: Counts) -> Json:
    """Gemini's thinking is missing from completion_tokens, but not from the total."""
    visible = counts.completion - counts.reasoning
    return _plain_usage(counts.prompt, visible, counts.prompt + counts.completion)


def fixed_usage(prompt: object, completion: object, total: object) -> UsageRule:
    """A rule that reports these values, whatever was counted."""
    return lambda _counts: _plain_usage(prompt, completion, total)


def no_usage(_counts: Counts) -> None:
    """A rule that reports nothing."""


def _plain_usage(prompt: object, completion: object, total: object) -> Json:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


def completion(ask: Ask, answer: Answer) -> bytes:
    """The whole answer as a `chat.completion` object; without `usage` where the model reports none."""
    body: Json = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [_whole_choice(ask, answer, choice) for choice in answer.choices],
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }
    if answer.usage is not None:
        body["usage"] = answer.usage
    return orjson.dumps(body)


def openai(ask: Ask, answer: Answer) -> Script:
    """Role first, pieces, finish reason; a usage chunk exactly when asked for, `usage: null` before it."""
    asked = ask.include_usage and answer.usage is not None
    frames = Frames(answer, null_usage=asked)
    return Script(
        opening=_roles(frames, answer),
        body=_body(ask, answer, frames),
        closing=_finishes(frames, answer) + (_usage_chunk(frames, answer) if asked else []),
    )


def usage_twice(ask: Ask, answer: Answer) -> Script:
    """Usage on the finish chunk and again in a chunk of its own, asked or not."""
    frames = Frames(answer, null_usage=True)
    finishes = _finishes(frames, answer, {"usage": answer.usage})
    return Script(_roles(frames, answer), _body(ask, answer, frames), finishes + _usage_chunk(frames, answer))


def groq(ask: Ask, answer: Answer) -> Script:
    """Usage in `x_groq` of the finish chunk; the usage chunk comes on top when asked for."""
    script = openai(ask, answer)
    frames = Frames(answer, null_usage=False)
    finishes = _finishes(frames, answer, {"x_groq": {"id": "req_demo", "usage": answer.usage}})
    return Script(script.opening, script.body, finishes + (_usage_chunk(frames, answer) if ask.include_usage else []))


def deepseek(ask: Ask, answer: Answer) -> Script:
    """Keep-alive comments, `reasoning_content` first, usage on the finish chunk, asked or not."""
    frames = Frames(answer, null_usage=True)
    thoughts = [
        frames.frame(_delta(0, {"content": None, "reasoning_content": thought})) for thought in answer.reasoning_pieces
    ]
    body = thoughts + _body(ask, answer, frames)
    commented = [KEEP_ALIVE + one if at % KEEP_ALIVE_EVERY == 0 else one for at, one in enumerate(body)]
    return Script(_roles(frames, answer), commented, _finishes(frames, answer, {"usage": answer.usage}))


def gemini(ask: Ask, answer: Answer) -> Script:
    """Cumulative usage on every chunk, the role on every delta, no chunk for usage alone."""
    frames, body = Frames(answer, null_usage=False), []
    counts, hidden = answer.counts, answer.counts.reasoning
    for made, choice in enumerate(_choice_deltas(ask, answer), hidden + 1):
        choice["delta"]["role"] = "assistant"
        so_far = answer.usage if answer.usage_given else gemini_usage(Counts(counts.prompt, made, hidden, 0))
        body.append(frames.frame(choice, {"usage": so_far}))
    return Script([], body, _finishes(frames, answer, {"usage": answer.usage}))


def tools_raw(ask: Ask, answer: Answer) -> Script:
    """Tool-call deltas without index, type and role; id and name on each of them."""
    script, frames = openai(ask, answer), Frames(answer, null_usage=ask.include_usage)
    if not answer.choices[0].tool_calls:
        return script
    body = [
        frames.frame(_delta(choice.index, {"tool_calls": [raw]}))
        for choice in answer.choices
        for raw in _raw_calls(choice)
    ]
    return Script([], body, script.closing)


def commented(ask: Ask, answer: Answer) -> Script:
    """A comment with a letter of two bytes before every event."""
    script = openai(ask, answer)
    opening, body, closing = ([COMMENT + one for one in part] for part in (script.opening, script.body, script.closing))
    return Script(opening, body, closing)


class Frames:
    """Encodes the chunks of one answer; the fields that all of them have are encoded once."""

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
        """One event; `extra` fields replace a null usage."""
        tail = self._tail if extra is None else b"]," + orjson.dumps(extra)[1:-1] + b"}\n\n"
        return self._head + (b"" if choice is None else orjson.dumps(choice)) + tail

    def texts(self, choice: Choice) -> list[bytes]:
        """The content chunks of a choice. This is the hot path: only the piece itself is encoded."""
        head = self._head + b'{"index":%d,"delta":{"content":' % choice.index
        tail = b'},"logprobs":null,"finish_reason":null}' + self._tail
        return [head + orjson.dumps(piece) + tail for piece in choice.pieces]


def _whole_choice(ask: Ask, answer: Answer, choice: Choice) -> Json:
    unscored = ask.logprobs is None or choice.tool_calls
    return {
        "index": choice.index,
        "message": _message(ask, answer, choice),
        "logprobs": None if unscored else _scores(choice.pieces, ask.logprobs or 0),
        "finish_reason": choice.finish_reason,
    }


def _message(ask: Ask, answer: Answer, choice: Choice) -> Json:
    message: Json = {"role": "assistant", "content": "".join(choice.pieces), "refusal": None}
    message["annotations"] = []
    if ask.model == "demo-deepseek":
        message["reasoning_content"] = "".join(answer.reasoning_pieces)
    if choice.tool_calls:
        message["content"] = None
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": "".join(call.fragments)}}
            for call in choice.tool_calls
        ]
    return message


def _roles(frames: Frames, answer: Answer) -> list[bytes]:
    first: Json = {"role": "assistant", "content": "", "refusal": None}
    if answer.choices[0].tool_calls:
        first["content"] = None
    return [frames.frame(_delta(choice.index, first)) for choice in answer.choices]


def _finishes(frames: Frames, answer: Answer, extra: Json | None = None) -> list[bytes]:
    return [frames.frame(_delta(one.index, {}, one.finish_reason), extra) for one in answer.choices]


def _usage_chunk(frames: Frames, answer: Answer) -> list[bytes]:
    return [frames.frame(None, {"usage": answer.usage})]


def _body(ask: Ask, answer: Answer, frames: Frames) -> list[bytes]:
    if answer.choices[0].tool_calls or ask.logprobs is not None:
        return [frames.frame(choice) for choice in _choice_deltas(ask, answer)]
    if len(answer.choices) == 1:
        return frames.texts(answer.choices[0])
    return _interleaved(frames.texts(choice) for choice in answer.choices)


def _choice_deltas(ask: Ask, answer: Answer) -> list[Json]:
    return _interleaved(_deltas_of(ask, choice) for choice in answer.choices)


def _deltas_of(ask: Ask, choice: Choice) -> list[Json]:
    calls = chain.from_iterable(_tool_deltas(call, at) for at, call in enumerate(choice.tool_calls))
    top = ask.logprobs
    texts = (
        _delta(choice.index, {"content": piece}, None, None if top is None else _scores([piece], top))
        for piece in choice.pieces
    )
    return [*(_delta(choice.index, call) for call in calls), *texts]


def _delta(index: int, change: Mapping[str, Any], finish: str | None = None, logprobs: Json | None = None) -> Json:
    return {"index": index, "delta": change, "logprobs": logprobs, "finish_reason": finish}


def _tool_deltas(call: ToolCall, position: int) -> list[Json]:
    """Id, type and name first, then fragments of the arguments."""
    head = {"index": position, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
    rest = [{"index": position, "function": {"arguments": fragment}} for fragment in call.fragments]
    return [{"tool_calls": [one]} for one in (head, *rest)]


def _raw_calls(choice: Choice) -> Iterable[Json]:
    for call in choice.tool_calls:
        for fragment in ("", *call.fragments):
            yield {"id": call.id, "function": {"name": call.name, "arguments": fragment}}


def _scores(pieces: Iterable[str], top: int) -> Json:
    """A `logprobs` object of plausible shape."""
    return {"content": [_score(piece, top) for piece in pieces], "refusal": None}


def _score(piece: str, top: int) -> Json:
    token: Json = {"token": piece, "logprob": -0.125, "bytes": list(piece.encode())}
    return {**token, "top_logprobs": [{**token, "logprob": -0.125 - rank} for rank in range(top)]}


def _interleaved(parts: Iterable[list[T]]) -> list[T]:
    return list(chain.from_iterable(zip(*parts, strict=True)))
