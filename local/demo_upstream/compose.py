"""Composes the answer to a request: words or tool calls, token limit, counts, usage."""

import os
import time
from itertools import count
from typing import Any

from local.demo_upstream.answer import Answer, Choice, Counts, ToolCall
from local.demo_upstream.ask import Ask
from local.demo_upstream.behaviours import Profile
from local.demo_upstream.toolcalls import tool_calls
from local.demo_upstream.words import answer_text, pieces, texts

MESSAGE_TOKENS = 4
IMAGE_TOKENS = 85
REASONING = pieces("Let me think about this for a moment.")

_run = os.urandom(8).hex()
_numbers = count(1)


def compose(ask: Ask, profile: Profile) -> Answer:
    """The whole answer, before any misbehaviour on the wire."""
    reasoning = REASONING[: ask.tokens_max] if profile.thinks or _wants_reasoning(ask) else ()
    room = None if ask.tokens_max is None else ask.tokens_max - len(reasoning)
    first, size = _first_choice(ask, profile, room)
    counts = _counts(ask, size * ask.n + len(reasoning), len(reasoning))
    reported = profile.usage(counts)
    return Answer(
        id=f"chatcmpl-{_run}{next(_numbers):013x}",
        created=int(time.time()),
        model=ask.model,
        choices=tuple(Choice(i, first.pieces, first.tool_calls, first.finish_reason) for i in range(ask.n)),
        counts=counts,
        usage=ask.demo.usage if ask.demo.usage is not None and reported is not None else reported,
        usage_given=ask.demo.usage is not None,
        reasoning_pieces=reasoning,
    )


def prompt_tokens(ask: Ask) -> int:
    """Words of all message texts, 4 per message, 85 per image."""
    return sum(_message_tokens(message) for message in ask.messages)


def _message_tokens(message: dict[str, Any]) -> int:
    words = sum(len(text.split()) for text in texts(message))
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    images = sum(1 for part in parts if isinstance(part, dict) and part.get("type") == "image_url")
    return MESSAGE_TOKENS + words + IMAGE_TOKENS * images


def _counts(ask: Ask, completion: int, reasoning: int) -> Counts:
    prompt = prompt_tokens(ask)
    return Counts(prompt, completion, reasoning, prompt // 2 if ask.body.get("prompt_cache_key") else 0)


def _wants_reasoning(ask: Ask) -> bool:
    return ask.body.get("reasoning_effort") not in (None, "none")


def _first_choice(ask: Ask, profile: Profile, room: int | None) -> tuple[Choice, int]:
    """The choice that all `n` repeat, and its number of pieces."""
    calls = tool_calls(ask, eager=profile.calls_tools)
    if calls:
        within = _calls_within(calls, room)
        size, wanted = _size(within), _size(calls)
        return Choice(0, (), within, "tool_calls" if size == wanted else "length"), size
    said = (profile.text,) if profile.text else pieces(answer_text(ask), ask.demo.chunks)
    kept = said if room is None else said[:room]
    return Choice(0, kept, (), "stop" if len(kept) == len(said) else "length"), len(kept)


def _size(calls: tuple[ToolCall, ...]) -> int:
    return sum(1 + len(call.fragments) for call in calls)


def _calls_within(calls: tuple[ToolCall, ...], room: int | None) -> tuple[ToolCall, ...]:
    if room is None:
        return calls
    kept: list[ToolCall] = []
    for call in calls:
        if room < 1:
            break
        kept.append(ToolCall(call.id, call.name, call.fragments[: room - 1]))
        room -= 1 + len(call.fragments)
    return tuple(kept)
