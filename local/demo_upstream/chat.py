"""POST /chat/completions: reads the request and composes the answer, words or tool calls, with its token counts."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from local.demo_upstream.behaviours import Profile
from local.demo_upstream.dialects import Answer, Ask, Choice, Counts, ToolCall, completion
from local.demo_upstream.serving import COMPLETIONS, pieces, play, respond, shortened, until_stop
from local.demo_upstream.wire import BadRequest, Exchange, Json, count_of, demo_of, json_object

CHOICES_MAX = 128
MESSAGE_TOKENS = 4
IMAGE_TOKENS = 85
REASONING = pieces("Let me think about this for a moment.")
# Deep enough for real schemas; a recursive one ends here in nulls.
SCHEMA_DEPTH_MAX = 8

_run = os.urandom(8).hex()
_numbers = count(1)


async def answer_chat(exchange: Exchange, ask: Ask, profile: Profile) -> None:
    """Send the answer, streamed or whole, in the model's way."""
    answer = compose(ask, profile)
    if ask.stream and not profile.never_streams:
        await play(exchange, ask.demo, profile, COMPLETIONS, lambda: profile.dialect(ask, answer))
    else:
        said = 0 if answer.choices[0].tool_calls else len(answer.choices[0].pieces)
        await respond(exchange, ask.demo, profile, completion(ask, answer), said)


def parse_ask(raw: bytes) -> Ask:
    """Raises BadRequest where OpenAI would answer 400."""
    body = json_object(raw)
    options = body.get("stream_options")
    limit = count_of(body, "max_completion_tokens")
    return Ask(
        model=_model(body),
        messages=_messages(body),
        stream=body.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        n=_choices(body),
        tokens_max=limit if limit is not None else count_of(body, "max_tokens"),
        logprobs=(count_of(body, "top_logprobs") or 0) if body.get("logprobs") is True else None,
        demo=demo_of(body.get("demo")),
        body=body,
    )


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


def instance(schema: object, root: object = None, depth: int = 0) -> Any:
    """The smallest value that a simple JSON schema admits.

    It follows const, enum, `$ref` into the root, anyOf, oneOf, allOf and the plain types.
    """
    if not isinstance(schema, dict) or depth > SCHEMA_DEPTH_MAX:
        return {} if depth == 0 else None
    root = schema if root is None else root
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    if isinstance(schema.get("$ref"), str):
        return instance(_resolved(schema["$ref"], root), root, depth + 1)
    for union in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(union), list) and schema[union]:
            return instance(schema[union][0], root, depth + 1)
    return _typed(schema, root, depth)


def _model(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadRequest("you must provide a model parameter", "model", "missing_required_parameter")
    return model


def _messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = body.get("messages")
    if messages is None:
        raise BadRequest("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise BadRequest("Invalid 'messages': expected a non-empty array of objects.", "messages", "invalid_type")
    return messages


def _choices(body: Mapping[str, Any]) -> int:
    n = count_of(body, "n")
    if n is None:
        return 1
    if not 1 <= n <= CHOICES_MAX:
        raise BadRequest(f"Invalid 'n': expected 1 to {CHOICES_MAX}.", "n", "integer_out_of_range")
    return n


def _counts(ask: Ask, completion: int, reasoning: int) -> Counts:
    prompt = sum(_message_tokens(message) for message in ask.messages)
    return Counts(prompt, completion, reasoning, prompt // 2 if ask.body.get("prompt_cache_key") else 0)


def _message_tokens(message: Json) -> int:
    words = sum(len(text.split()) for text in _texts(message))
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    images = sum(1 for part in parts if isinstance(part, dict) and part.get("type") == "image_url")
    return MESSAGE_TOKENS + words + IMAGE_TOKENS * images


def _wants_reasoning(ask: Ask) -> bool:
    return ask.body.get("reasoning_effort") not in (None, "none")


def _first_choice(ask: Ask, profile: Profile, room: int | None) -> tuple[Choice, int]:
    """The choice that all `n` repeat, and its number of pieces."""
    calls = _tool_calls(ask, eager=profile.calls_tools)
    if calls:
        within = _calls_within(calls, room)
        size, wanted = _size(within), _size(calls)
        return Choice(0, (), within, "tool_calls" if size == wanted else "length"), size
    said = (profile.text,) if profile.text else pieces(_answer_text(ask), ask.demo.chunks)
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


def _tool_calls(ask: Ask, *, eager: bool) -> tuple[ToolCall, ...]:
    """The calls that answer this request, none for a text; `eager` models call whenever they have tools."""
    functions = _functions(ask)
    choice = ask.body.get("tool_choice")
    if not functions or choice == "none" or ask.messages[-1].get("role") == "tool":
        return ()
    if isinstance(choice, dict):
        return _named_call(functions, choice)
    text = _last_user_text(ask).lower()
    if not (eager or choice == "required" or "tool" in text or "weather" in text):
        return ()
    parallel = "both" in text and ask.body.get("parallel_tool_calls") is not False
    return tuple(_call(function, number) for number, function in enumerate(functions[: 2 if parallel else 1], 1))


def _functions(ask: Ask) -> list[Json]:
    tools = ask.body.get("tools")
    found = [tool.get("function") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return [one for one in found if isinstance(one, dict) and isinstance(one.get("name"), str)]


def _named_call(functions: list[Json], choice: Json) -> tuple[ToolCall, ...]:
    wanted = choice.get("function")
    name = wanted.get("name") if isinstance(wanted, dict) else None
    return tuple(_call(one, 1) for one in functions if one["name"] == name)[:1]


def _call(function: Json, number: int) -> ToolCall:
    arguments = json.dumps(instance(function.get("parameters")), ensure_ascii=False)
    return ToolCall(id=f"call_demo_{number}", name=function["name"], fragments=pieces(arguments))


def _answer_text(ask: Ask) -> str:
    """The answer of a well-behaved model, cut at the first stop sequence."""
    text = ask.demo.text if ask.demo.text is not None else _json_answer(ask) or _spoken(ask)
    return until_stop(text, ask.body.get("stop"))


def _spoken(ask: Ask) -> str:
    last = ask.messages[-1]
    if last.get("role") == "tool":
        return f"Thank you, the tool says: {shortened(' '.join(_texts(last)))}"
    return f"Hello from the demo model! You said: {shortened(_last_user_text(ask))}".rstrip()


def _json_answer(ask: Ask) -> str | None:
    wanted = ask.body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "json_object":
        return json.dumps({"answer": _spoken(ask)}, ensure_ascii=False)
    if isinstance(wanted, dict) and kind == "json_schema":
        named = wanted.get("json_schema")
        return json.dumps(instance(named.get("schema") if isinstance(named, dict) else None), ensure_ascii=False)
    return None


def _last_user_text(ask: Ask) -> str:
    """The text of the last message of role user, or an empty one."""
    for message in reversed(ask.messages):
        if message.get("role") == "user":
            return " ".join(_texts(message))
    return ""


def _texts(message: Json) -> Iterator[str]:
    """The texts of a message's content, be it a string or parts."""
    content = message.get("content")
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                yield part["text"]


def _typed(schema: Json, root: object, depth: int) -> Any:
    kind = _kind(schema)
    if kind == "object":
        fields = schema.get("properties")
        return {name: instance(field, root, depth + 1) for name, field in fields.items()} if fields else {}
    if kind == "array":
        return [instance(schema["items"], root, depth + 1)] if isinstance(schema.get("items"), dict) else []
    if kind in ("integer", "number"):
        value = 1 if kind == "integer" else 1.5
        least = schema.get("minimum")
        return least if isinstance(least, int | float) and least > value else value
    return {"string": "demo", "boolean": True}.get(kind)


def _kind(schema: Json) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "string"
    return str(kind)


def _resolved(reference: str, root: object) -> object:
    found = root
    for name in reference.removeprefix("#").split("/"):
        if name:
            found = found.get(name) if isinstance(found, dict) else None
    return found
