"""How many tokens a prompt typically is: for rate limits, and for a charge where the provider does not say."""

from collections.abc import Mapping
from typing import Any

import orjson

TOKEN_BYTES_TYPICAL = 4
# Role and separators of a message in the usual chat templates.
MESSAGE_TOKENS = 4
# Read by the model as the JSON that they are.
_AS_JSON = ("tools", "functions", "response_format")
# Says what a text is, or is counted as an image.
_UNREAD = frozenset({"role", "type", "id", "tool_call_id", "image_url"})


def prompt_tokens_typical(body: Mapping[str, Any]) -> int:
    """Of a chat request without its images: what a model reads of it, not the JSON around that."""
    messages = body["messages"]
    read = sum(len(orjson.dumps(body[name])) for name in _AS_JSON if body.get(name))
    read += sum(map(_message_bytes, messages))
    return -(-read // TOKEN_BYTES_TYPICAL) + MESSAGE_TOKENS * len(messages)


def _message_bytes(message: Mapping[str, Any]) -> int:
    """Almost every message is a role and a text, and there may be a hundred thousand of them."""
    content = message.get("content")
    if len(message) == len(("role", "content")) and isinstance(content, str) and "role" in message:
        return _utf8_bytes(content)
    return _read_bytes(message)


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _read_bytes(value: object) -> int:
    if isinstance(value, str):
        return _utf8_bytes(value)
    if isinstance(value, list):
        return sum(map(_read_bytes, value))
    if isinstance(value, dict):
        return sum(_read_bytes(part) for name, part in value.items() if name not in _UNREAD)
    return 0
