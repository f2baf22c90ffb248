"""Bodies of chat requests as they come off the wire."""

import json
from typing import Any

import orjson

from multiconnection.chat.request import ChatRequest, parse_chat_request

from .chat_world import MESSAGES

PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def parsed(**body: Any) -> ChatRequest:
    """As it comes off the wire."""
    return parse_chat_request(orjson.loads(json.dumps({"model": "m-1", "messages": MESSAGES, **body})))


def content(*parts: object) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]
