"""Providers' answers made to look like OpenAI's: the chunks of a stream and whole completions, chat and legacy."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from time import time
from typing import Any, TypeGuard

from multiconnection.calls.upstream import Completion
from multiconnection.catalog.models import Provider
from multiconnection.providers.errors import answer_body, empty_answer, not_an_answer, reported_error
from multiconnection.providers.usage import likeliest, outcome_of, shown_usage, take_usage
from multiconnection.usage import Usage, UsageSource
from multiconnection.web.json import utf8_length

from .request import ChatCall
from .tool_calls import Call, ToolDeltas, complete_calls

CHUNK = "chat.completion.chunk"
COMPLETION = "chat.completion"
TEXT_COMPLETION = "text_completion"
TextAt = tuple[dict[str, Any], str]
"""The place of a delivered text: the object that holds it and the member's name."""
OPENAI_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")
FINISHED_BY_ERROR = "error"
WORD_CHARS_MAX = 64
_WORDS = {
    None: "null none unspecified",
    FINISHED_BY_ERROR: "error network_error",
    # Also what a provider broke off: what there is of the answer is not whole.
    "length": "length max_tokens max_output_tokens max_new_tokens max_length model_length error_limit token_limit "
    "limit truncated incomplete context_length_exceeded model_context_window_exceeded abort aborted cancelled "
    "insufficient_system_resource",
    "content_filter": "content_filter content_filtered safety recitation blocklist prohibited_content spii "
    "image_safety refusal sensitive moderation blocked guardrail_intervened error_toxic",
    "tool_calls": "tool_calls tool_call tool_use",
    "function_call": "function_call",
}
# In lower case with underscores. Any other word is an ordinary end.
FINISH_REASONS: Mapping[str, str | None] = {word: reason for reason, words in _WORDS.items() for word in words.split()}
# The names of thoughts in a message; the first is what callers get.
THOUGHTS = ("reasoning_content", "reasoning", "thinking")
BYTES_PER_TOKEN = 4
_PARTS = frozenset({list, dict})
_AS_THEY_ARE = frozenset({str, type(None)})
_IN_MESSAGE = frozenset({"message", "delta", "finish_reason", "usage"})


@dataclass(slots=True)
class Choice:
    """The state of one choice after the chunks so far. `called`: the finish reason that its calls ask for."""

    role_sent: bool = False
    finished: bool = False
    tools: ToolDeltas | None = None
    called: str = ""


@dataclass(slots=True)
class Seen:
    """The content of one chunk. `settled`: nothing in it is new but its text; `began`: a tool call began.

    `call` is the one tool call of a settled chunk, and whether the provider named it.
    """

    texts: list[TextAt] = field(default_factory=list)
    substance: bool = False
    settled: bool = True
    began: bool = False
    failed: bool = False
    call: tuple[Call, bool] | None = None


class Chunks:
    """The chunks of one answer: fills in what is missing and follows each choice to its finish_reason."""

    __slots__ = ("_by_index", "_choices_max", "_fallback", "_top")
    object_name = CHUNK
    id_prefix = "chatcmpl"

    def __init__(self, call: ChatCall) -> None:
        self._choices_max = max(call.choices, 1)
        self._by_index: dict[int, Choice] = {}
        self._top: dict[str, Any] = {}
        model = call.body.get("model") or call.upstream_model
        self._fallback = {"id": f"{self.id_prefix}-{secrets.token_hex(12)}", "model": model}

    @property
    def any_finished(self) -> bool:
        return any(choice.finished for choice in self._by_index.values())

    @property
    def all_finished(self) -> bool:
        """Every choice that was asked for has come to its end."""
        return len(self._by_index) >= self._choices_max and not self.unfinished

    @property
    def unfinished(self) -> list[int]:
        return [index for index, choice in self._by_index.items() if not choice.finished]

    def normalise(self, chunk: dict[str, Any], choices: list[dict[str, Any]]) -> Seen:
        """Rewrites `chunk` in place; `choices` are its choices, at least one."""
        self.fill(chunk)
        chunk["choices"] = choices
        seen = Seen(settled=len(choices) == 1)
        for position, choice in enumerate(choices):
            self._normalise_choice(choice, position, seen)
        seen.substance = seen.substance or bool(seen.texts)
        return seen

    def fill(self, chunk: dict[str, Any]) -> None:
        """Sets object, and id, created and model as in the first chunk (Azure's has empty ones, others change them)."""
        top = self._top
        if not top:
            given = {name: chunk.get(name) for name in ("id", "model", "created")}
            for name in ("id", "model"):
                top[name] = given[name] if isinstance(given[name], str) and given[name] else self._fallback[name]
            created = given["created"]
            top["created"] = created if type(created) is int and created > 0 else int(time())
            top["object"] = self.object_name
        chunk.update(top)

    def closing(self, index: int) -> dict[str, Any]:
        """The finish that a provider forgot before its [DONE]."""
        reason = self._by_index[index].called or "stop"
        return {"choices": [{"index": index, "delta": {}, "finish_reason": reason}]}

    def _normalise_choice(self, choice: dict[str, Any], position: int, seen: Seen) -> None:
        index = self._index(choice, position)
        state = self._by_index.setdefault(index, Choice())
        choice["index"] = index
        reason = choice.get("finish_reason")
        if reason is not None and reason not in OPENAI_REASONS:
            reason = finish_reason(reason)
        choice["finish_reason"] = reason
        self.normalise_delta(choice, state, reason, seen)

    def normalise_delta(self, choice: dict[str, Any], state: Choice, reason: str | None, seen: Seen) -> None:
        """Rewrites what this chunk adds to one choice."""
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            delta = choice["delta"] = {} if state.role_sent else said_elsewhere(choice)
        if not _AS_THEY_ARE.issuperset((type(delta.get("content")), type(delta.get("reasoning_content")))) or (
            "reasoning" in delta or "thinking" in delta
        ):
            as_texts(delta)
        began, seen.call = False, None
        if "tool_calls" in delta:
            tools = state.tools = state.tools or ToolDeltas()
            began, seen.call = tools.normalise(delta), tools.only(delta)
        seen.texts.extend(texts_of(delta))
        self._track(state, delta, reason, seen)
        if reason == "stop" and state.called:
            choice["finish_reason"] = state.called
        seen.began = seen.began or began
        legacy = seen.call is not None and "function_call" in delta
        seen.settled = seen.settled and not began and not legacy and reason is None and not choice.get("logprobs")

    def _track(self, state: Choice, delta: dict[str, Any], reason: str | None, seen: Seen) -> None:
        calls = called_in(delta)
        state.called = state.called or calls
        seen.settled = seen.settled and state.role_sent
        if not state.role_sent:
            delta["role"] = "assistant"
            state.role_sent = True
        else:
            delta.pop("role", None)
        seen.failed = seen.failed or reason == FINISHED_BY_ERROR
        if reason and reason != FINISHED_BY_ERROR:
            state.finished = seen.substance = True
        seen.substance = seen.substance or bool(calls or delta.get("audio"))

    def _index(self, choice: dict[str, Any], position: int) -> int:
        """An index that was never asked for is an error of the provider's, not a new choice."""
        index = choice.get("index")
        if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < self._choices_max:
            return index
        return min(position, self._choices_max - 1)


class TextChunks(Chunks):
    """The chunks of one legacy completion, whose choices hold a text instead of a delta."""

    __slots__ = ()
    object_name = TEXT_COMPLETION
    id_prefix = "cmpl"

    def closing(self, index: int) -> dict[str, Any]:
        return {"choices": [{"index": index, "text": "", "logprobs": None, "finish_reason": "stop"}]}

    def normalise_delta(self, choice: dict[str, Any], state: Choice, reason: str | None, seen: Seen) -> None:
        if not isinstance(choice.get("text"), str):
            choice["text"] = ""
        choice.setdefault("logprobs", None)
        if choice["text"]:
            seen.texts.append((choice, "text"))
        seen.failed = seen.failed or reason == FINISHED_BY_ERROR
        if reason and reason != FINISHED_BY_ERROR:
            state.finished = seen.substance = True
        seen.settled = seen.settled and reason is None and not choice["logprobs"]


def completion_of(body: dict[str, Any], provider: Provider, call: ChatCall) -> Completion[dict[str, Any]]:
    """A whole answer, normalised and measured."""
    text_bytes = _normalise(body, call)
    given, reported = likeliest(take_usage(body), provider.quirks, call.usage_max)
    outcome = outcome_of(reported, call.usage_max, estimated_usage(call, text_bytes))
    if outcome.source is UsageSource.UPSTREAM:
        body["usage"] = shown_usage(given, outcome.usage)
    return Completion(body, outcome)


def completion_body(raw: bytes, provider: Provider, *, legacy: bool) -> dict[str, Any]:
    """The JSON object of a 200 answer with something in it; raises UpstreamError."""
    body = answer_body(raw, provider)
    if not isinstance(body.get("choices"), list):
        raise not_an_answer()
    choices = choices_of(body)
    if any(finish_reason(choice.get("finish_reason")) == FINISHED_BY_ERROR for choice in choices):
        raise reported_error(None, provider)
    says_something = _text_says_something if legacy else _says_something
    if not any(says_something(choice) for choice in choices):
        raise empty_answer()
    return body


def chunks_of(body: dict[str, Any], *, legacy: bool) -> Iterator[dict[str, Any]]:
    """A whole answer as a provider that streams would have sent it: each choice, its finish, then the usage."""
    top = {name: value for name, value in body.items() if name not in ("choices", "usage", "x_groq")}
    for position, choice in enumerate(choices_of(body)):
        if legacy:
            yield {**top, "choices": [{"index": position, "finish_reason": "stop", **choice}]}
            continue
        rest = {name: value for name, value in choice.items() if name not in _IN_MESSAGE}
        rest.setdefault("index", position)
        yield {**top, "choices": [{**rest, "delta": _delta(choice), "finish_reason": None}]}
        yield {**top, "choices": [{"index": rest["index"], "delta": {}, "finish_reason": _finish(choice)}]}
    usage: dict[str, Any] = {name: body[name] for name in ("usage", "x_groq") if name in body}
    nested = [choice["usage"] for choice in choices_of(body) if isinstance(choice.get("usage"), dict)]
    if nested and not isinstance(usage.get("usage"), dict):
        usage["usage"] = nested[0]
    yield {**top, "choices": [], **usage}


def choices_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    choices = body.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def finish_reason(given: object) -> str | None:
    """A provider's word for the end of a choice as OpenAI's, "error", or None where it is no end."""
    if not isinstance(given, str) or not given:
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


def estimated_usage(call: ChatCall, text_bytes: int) -> Usage:
    """From the text that was delivered; never more than the bounds that were sent upstream."""
    output = -(-text_bytes // BYTES_PER_TOKEN)
    return Usage(
        input=min(call.prompt_tokens_estimate, call.prompt_tokens_max),
        output=min(output, call.output_tokens_max * call.choices),
    )


def _join_parts(message: dict[str, Any]) -> None:
    """Clients of OpenAI's shape expect no parts, which Mistral's reasoning models send."""
    parts = message["content"]
    said, thought, refused = list[str](), list[str](), list[str]()
    for part in parts if isinstance(parts, list) else [parts]:
        if not isinstance(part, dict):
            said += texts_in(part)
            continue
        said += texts_in(part.get("text"))
        thought += texts_in(part.get("thinking")) or texts_in(part.get("reasoning"))
        refused += texts_in(part.get("refusal"))
    message["content"] = "".join(said) if said else None
    for name, texts in (("reasoning_content", thought), ("refusal", refused)):
        if texts and not message.get(name):
            message[name] = "".join(texts)


def _name_thoughts(message: dict[str, Any]) -> None:
    """Some servers send the same thought under two names: it was generated once. `reasoning` stays besides, because
    OpenRouter's clients read that.
    """
    for name in THOUGHTS:
        if name in message and (thought := "".join(texts_in(message[name]))):
            message["reasoning_content"] = thought
            return
    if "reasoning_content" in message:
        message["reasoning_content"] = None


def texts_in(value: object) -> list[str]:
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


def _normalise(body: dict[str, Any], call: ChatCall) -> int:
    """Rewrites a whole answer in place; returns the UTF-8 bytes of all texts."""
    body["object"] = TEXT_COMPLETION if call.legacy else COMPLETION
    if not isinstance(body.get("id"), str) or not body["id"]:
        body["id"] = f"{'cmpl' if call.legacy else 'chatcmpl'}-{secrets.token_hex(12)}"
    if not is_count(body.get("created")):
        body["created"] = int(time())
    if not isinstance(body.get("model"), str) or not body["model"]:
        body["model"] = call.body.get("model") or call.upstream_model
    body["choices"] = choices = choices_of(body)
    for position, choice in enumerate(choices):
        if not is_count(choice.get("index")):
            choice["index"] = position
    return sum(map(_normalise_text if call.legacy else _normalise_message, choices))


def _normalise_message(choice: dict[str, Any]) -> int:
    message = choice["message"] = _message(choice)
    choice.pop("delta", None)
    message["role"] = "assistant"
    message.setdefault("content", None)
    complete_calls(message)
    choice["finish_reason"] = _finish(choice)
    return sum(utf8_length(holder[name]) for holder, name in texts_of(message))


def _normalise_text(choice: dict[str, Any]) -> int:
    if not isinstance(choice.get("text"), str):
        choice["text"] = ""
    choice.setdefault("logprobs", None)
    choice["finish_reason"] = finish_reason(choice.get("finish_reason")) or "stop"
    return utf8_length(choice["text"])


def _delta(choice: dict[str, Any]) -> dict[str, Any]:
    message = _message(choice)
    delta = {name: value for name, value in message.items() if value is not None}
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        delta["tool_calls"] = [{**call, "index": index} for index, call in enumerate(calls) if isinstance(call, dict)]
    return delta


def _finish(choice: dict[str, Any]) -> str:
    reason = finish_reason(choice.get("finish_reason")) or "stop"
    return called_in(_message(choice)) or reason if reason == "stop" else reason


def _says_something(choice: dict[str, Any]) -> bool:
    message = _message(choice)
    called = message.get("tool_calls") or message.get("function_call") or message.get("audio")
    return bool(choice.get("finish_reason") or called or any(texts_of(message)))


def _text_says_something(choice: dict[str, Any]) -> bool:
    return bool(choice.get("finish_reason") or choice.get("text"))


def _message(choice: dict[str, Any]) -> dict[str, Any]:
    """The message, with its content and its thoughts as texts; in place, so that this is done once."""
    message = choice.get("message")
    if not isinstance(message, dict):
        message = choice["message"] = said_elsewhere(choice)
    as_texts(message)
    return message
