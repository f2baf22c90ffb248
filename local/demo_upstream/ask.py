"""A chat request as far as the demo upstream understands it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

CHOICES_MAX = 128


class BadRequest(Exception):
    """The caller's mistake, answered with 400 in OpenAI's shape."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


@dataclass(frozen=True, slots=True)
class Demo:
    """The `demo` object of the body; None where the model's own behaviour decides."""

    chunks: int | None = None
    delay_ms: int | None = None
    first_delay_ms: int | None = None
    fail_after_chunks: int | None = None
    text: str | None = None
    usage: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """One chat request; `body` keeps the rest of the fields as received."""

    model: str
    messages: list[dict[str, Any]]
    stream: bool
    include_usage: bool
    n: int
    tokens_max: int | None
    # How many alternatives per token were asked for; None without logprobs.
    logprobs: int | None
    demo: Demo
    body: dict[str, Any]


NO_DEMO = Demo()


def parse_ask(raw: bytes) -> Ask:
    """Raises BadRequest where OpenAI would answer 400."""
    body = json_object(raw)
    options = body.get("stream_options")
    limit = _count(body, "max_completion_tokens")
    return Ask(
        model=model_of(body),
        messages=_messages(body),
        stream=body.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        n=_choices(body),
        tokens_max=limit if limit is not None else _count(body, "max_tokens"),
        logprobs=(_count(body, "top_logprobs") or 0) if body.get("logprobs") is True else None,
        demo=demo_of(body.get("demo")),
        body=body,
    )


def json_object(raw: bytes) -> dict[str, Any]:
    """The body as an object, or a BadRequest."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise BadRequest(f"We could not parse the JSON body of your request. ({exc})") from exc
    if not isinstance(body, dict):
        raise BadRequest("The JSON body of your request is not an object.")
    return body


def model_of(body: Mapping[str, Any]) -> str:
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
    n = _count(body, "n")
    if n is None:
        return 1
    if not 1 <= n <= CHOICES_MAX:
        raise BadRequest(f"Invalid 'n': expected 1 to {CHOICES_MAX}.", "n", "integer_out_of_range")
    return n


def _count(body: Mapping[str, Any], name: str, prefix: str = "") -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if type(value) is not int or value < 0:
        raise BadRequest(f"Invalid '{prefix}{name}': expected an integer >= 0.", prefix + name, "invalid_type")
    return value


def demo_of(demo: object) -> Demo:
    """The details that the `demo` object of a body sets."""
    if demo is None:
        return NO_DEMO
    if not isinstance(demo, dict):
        raise BadRequest("Invalid 'demo': expected an object.", "demo", "invalid_type")
    text, usage = demo.get("text"), demo.get("usage")
    return Demo(
        chunks=_count(demo, "chunks", "demo."),
        delay_ms=_count(demo, "delay_ms", "demo."),
        first_delay_ms=_count(demo, "first_delay_ms", "demo."),
        fail_after_chunks=_count(demo, "fail_after_chunks", "demo."),
        text=text if isinstance(text, str) else None,
        usage=usage if isinstance(usage, dict) else None,
    )
