"""What providers call the parts of a chat, and what OpenAI calls them: roles, thoughts, content, finish reasons."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from multiconnection.catalog.models import Quirks

TextAt = tuple[dict[str, Any], str]
"""The place of a delivered text: the object that holds it and the member's name."""
FINISHED_BY_ERROR = "error"
WORD_CHARS_MAX = 64
_WORDS = {
    None: ("", "null", "none", "unspecified"),
    FINISHED_BY_ERROR: ("error", "network_error"),
    "length": (
        *("length", "max_tokens", "max_output_tokens", "max_new_tokens", "max_length", "model_length", "error_limit"),
        *(
            "token_limit",
            "limit",
            "truncated",
            "incomplete",
            "context_length_exceeded",
            "model_context_window_exceeded",
        ),
        # Broken off by the provider: what there is of the answer is not whole.
        *("abort", "aborted", "cancelled", "insufficient_system_resource"),
    ),
    "content_filter": (
        *("content_filter", "content_filtered", "safety", "recitation", "blocklist", "prohibited_content", "spii"),
        *("image_safety", "refusal", "sensitive", "moderation", "blocked", "guardrail_intervened", "error_toxic"),
    ),
    "tool_calls": ("tool_calls", "tool_call", "tool_use"),
    "function_call": ("function_call",),
}
# In lower case with underscores. Any other word is an ordinary end.
FINISH_REASONS: Mapping[str, str | None] = {word: reason for reason, words in _WORDS.items() for word in words}
# The names of thoughts in a message; the first is what callers get.
THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_PARTS = frozenset({list, dict})


def finish_reason(given: object) -> str | None:
    """A provider's word for the end of a choice as OpenAI's, "error", or None where it is no end."""
    if not isinstance(given, str):
        return None
    word = given[:WORD_CHARS_MAX].strip().lower().replace("-", "_").replace(" ", "_")
    return FINISH_REASONS.get(word.removeprefix("finish_reason_"), "stop")


def called_in(message: Mapping[str, Any]) -> str:
    """The finish reason of a message with calls, for which several providers say "stop"; "" without."""
    if message.get("tool_calls"):
        return "tool_calls"
    return "function_call" if message.get("function_call") else ""


def said_elsewhere(choice: dict[str, Any]) -> dict[str, Any]:
    """Takes what a choice has where its message or delta should be: the other of the two, or a text."""
    for name in ("message", "delta"):
        given = choice.pop(name, None)
        if isinstance(given, dict):
            return given
    return {"content": choice.pop("text")} if isinstance(choice.get("text"), str) else {}


def as_texts(message: dict[str, Any]) -> None:
    """Rewrites content in parts as a text, and names thoughts as most clients do; changes nothing else."""
    if type(message.get("content")) in _PARTS:
        _join_parts(message)
    given = message.get("reasoning_content")
    if given is None or type(given) in _PARTS:
        _name_thoughts(message)


def texts_of(delta: dict[str, Any]) -> Iterator[TextAt]:
    """Every non-empty text of a message or delta after `as_texts`: content, thoughts, refusal, calls, transcript."""
    yield from _member(delta, "content")
    yield from _member(delta, "reasoning_content")
    yield from _member(delta, "refusal")
    for holder in _callables(delta):
        yield from _member(holder, "name")
        yield from _member(holder, "arguments")
        yield from _member(holder, "input")
    audio = delta.get("audio")
    if isinstance(audio, dict):
        yield from _member(audio, "transcript")


def messages_for(quirks: Quirks, messages: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """A caller's messages as a provider takes them: the same object where nothing has to be changed.

    `developer` is OpenAI's name for what others call `system`. Thoughts of earlier turns come back under any of the
    names and shapes in which they were sent.
    """
    if not any(_differs(quirks, message) for message in messages):
        return messages
    return [_message_for(quirks, message) if _differs(quirks, message) else message for message in messages]


def is_thought(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") == "thinking"


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
    found = [*(_texts_in(message.get(name)) for name in THOUGHTS)]
    found.append([text for part in parts if is_thought(part) for text in _texts_in(part.get("thinking"))])
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


def _join_parts(message: dict[str, Any]) -> None:
    """Clients of OpenAI's shape expect no parts, which Mistral's reasoning models send."""
    parts = message["content"]
    said, thought, refused = list[str](), list[str](), list[str]()
    for part in parts if isinstance(parts, list) else [parts]:
        if not isinstance(part, dict):
            said += _texts_in(part)
            continue
        said += _texts_in(part.get("text"))
        thought += _texts_in(part.get("thinking")) or _texts_in(part.get("reasoning"))
        refused += _texts_in(part.get("refusal"))
    message["content"] = "".join(said) if said else None
    for name, texts in (("reasoning_content", thought), ("refusal", refused)):
        if texts and not message.get(name):
            message[name] = "".join(texts)


def _name_thoughts(message: dict[str, Any]) -> None:
    """Some servers send the same thought under two names: it was generated once. `reasoning` stays besides, because
    OpenRouter's clients read that.
    """
    for name in THOUGHTS:
        if name in message and (thought := "".join(_texts_in(message[name]))):
            message["reasoning_content"] = thought
            return
    if "reasoning_content" in message:
        message["reasoning_content"] = None


def _texts_in(value: object) -> list[str]:
    """A text, or those of a list of text parts."""
    if isinstance(value, list):
        texts = [part.get("text") if isinstance(part, dict) else part for part in value]
        return [text for text in texts if isinstance(text, str)]
    return [value] if isinstance(value, str) else []


def _member(holder: dict[str, Any], name: str) -> Iterator[TextAt]:
    value = holder.get(name)
    if isinstance(value, str) and value:
        yield holder, name


def _callables(delta: dict[str, Any]) -> Iterator[dict[str, Any]]:
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            yield from (call[kind] for kind in ("function", "custom") if isinstance(call.get(kind), dict))
    legacy = delta.get("function_call")
    if isinstance(legacy, dict):
        yield legacy
