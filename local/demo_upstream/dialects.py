"""How providers write a streamed answer: OpenAI's way, and the ways of others."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from local.demo_upstream import usage
from local.demo_upstream.answer import Answer, Choice, Counts
from local.demo_upstream.ask import Ask
from local.demo_upstream.frames import Frames, Json, delta, scores, tool_deltas

T = TypeVar("T")

KEEP_ALIVE = b": keep-alive\n\n"
KEEP_ALIVE_EVERY = 3
COMMENT = ": größer\n\n".encode()


@dataclass(frozen=True, slots=True)
class Script:
    """The events of a stream in order, without `[DONE]`; the body has one per piece."""

    opening: list[bytes]
    body: list[bytes]
    closing: list[bytes]


Dialect = Callable[[Ask, Answer], Script]


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
        frames.frame(delta(0, {"content": None, "reasoning_content": thought})) for thought in answer.reasoning_pieces
    ]
    body = thoughts + _body(ask, answer, frames)
    commented = [KEEP_ALIVE + one if at % KEEP_ALIVE_EVERY == 0 else one for at, one in enumerate(body)]
    return Script(_roles(frames, answer), commented, _finishes(frames, answer, {"usage": answer.usage}))


def gemini(ask: Ask, answer: Answer) -> Script:
    """Cumulative usage on every chunk, the role on every delta, no chunk for usage alone."""
    frames, body = Frames(answer, null_usage=False), []
    counts, hidden = answer.counts, answer.counts.reasoning
    for said, choice in enumerate(_choice_deltas(ask, answer), hidden + 1):
        choice["delta"]["role"] = "assistant"
        so_far = answer.usage if answer.usage_given else usage.gemini(Counts(counts.prompt, said, hidden, 0))
        body.append(frames.frame(choice, {"usage": so_far}))
    return Script([], body, _finishes(frames, answer, {"usage": answer.usage}))


def tools_raw(ask: Ask, answer: Answer) -> Script:
    """Tool-call deltas without index, type and role; id and name on each of them."""
    script, frames = openai(ask, answer), Frames(answer, null_usage=ask.include_usage)
    if not answer.choices[0].tool_calls:
        return script
    body = [
        frames.frame(delta(choice.index, {"tool_calls": [raw]}))
        for choice in answer.choices
        for raw in _raw_calls(choice)
    ]
    return Script([], body, script.closing)


def commented(ask: Ask, answer: Answer) -> Script:
    """A comment with a letter of two bytes before every event."""
    script = openai(ask, answer)
    opening, body, closing = ([COMMENT + one for one in part] for part in (script.opening, script.body, script.closing))
    return Script(opening, body, closing)


def _roles(frames: Frames, answer: Answer) -> list[bytes]:
    first: Json = {"role": "assistant", "content": "", "refusal": None}
    if answer.choices[0].tool_calls:
        first["content"] = None
    return [frames.frame(delta(choice.index, first)) for choice in answer.choices]


def _finishes(frames: Frames, answer: Answer, extra: Json | None = None) -> list[bytes]:
    return [frames.frame(delta(one.index, {}, one.finish_reason), extra) for one in answer.choices]


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
    calls = chain.from_iterable(tool_deltas(call, at) for at, call in enumerate(choice.tool_calls))
    top = ask.logprobs
    texts = (
        delta(choice.index, {"content": piece}, None, None if top is None else scores([piece], top))
        for piece in choice.pieces
    )
    return [*(delta(choice.index, call) for call in calls), *texts]


def _raw_calls(choice: Choice) -> Iterable[dict[str, Any]]:
    for call in choice.tool_calls:
        for fragment in ("", *call.fragments):
            yield {"id": call.id, "function": {"name": call.name, "arguments": fragment}}


def _interleaved(parts: Iterable[list[T]]) -> list[T]:
    return list(chain.from_iterable(zip(*parts, strict=True)))
