"""The words of an answer: what the demo models say, and how it falls into pieces."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice, repeat
from typing import Any

from local.demo_upstream.ask import Ask
from local.demo_upstream.schema import instance

ECHO_WORDS_MAX = 40
PIECE = re.compile(r"\s*\S+(?:\s+$)?|\s+")


@lru_cache(maxsize=64)
def pieces(text: str, count: int | None = None) -> tuple[str, ...]:
    """One piece per word with the space before it; exactly `count` of them if given, repeated or cut."""
    found = tuple(PIECE.findall(text))
    if count is None:
        return found
    return tuple(islice(chain.from_iterable(repeat(found or ("demo ",))), count))


def message_text(message: dict[str, Any]) -> str:
    """The text of a message's content, be it a string or parts."""
    return " ".join(texts(message))


def texts(message: dict[str, Any]) -> Iterator[str]:
    """Each text of a message's content."""
    content = message.get("content")
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                yield part["text"]


def last_user_text(ask: Ask) -> str:
    """The text of the last message of role user, or nothing."""
    for message in reversed(ask.messages):
        if message.get("role") == "user":
            return message_text(message)
    return ""


def answer_text(ask: Ask) -> str:
    """What a well-behaved model answers, cut at the first stop sequence."""
    text = ask.demo.text if ask.demo.text is not None else _json_answer(ask) or _spoken(ask)
    return until_stop(text, ask.body.get("stop"))


def _spoken(ask: Ask) -> str:
    last = ask.messages[-1]
    if last.get("role") == "tool":
        return f"Thank you, the tool says: {shortened(message_text(last))}"
    return f"Hello from the demo model! You said: {shortened(last_user_text(ask))}".rstrip()


def shortened(text: str) -> str:
    """As much of a text as an answer repeats."""
    words = text.split()
    return " ".join(words[:ECHO_WORDS_MAX]) + (" …" if len(words) > ECHO_WORDS_MAX else "")


def _json_answer(ask: Ask) -> str | None:
    wanted = ask.body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "json_object":
        return json.dumps({"answer": _spoken(ask)}, ensure_ascii=False)
    if isinstance(wanted, dict) and kind == "json_schema":
        named = wanted.get("json_schema")
        return json.dumps(instance(named.get("schema") if isinstance(named, dict) else None), ensure_ascii=False)
    return None


def until_stop(text: str, stop: object) -> str:
    """What comes before the first stop sequence."""
    if isinstance(stop, str):
        stop = [stop]
    if isinstance(stop, list):
        for sequence in stop:
            if isinstance(sequence, str) and sequence:
                text = text.partition(sequence)[0]
    return text
