"""`upload://` images of a chat body: where they are, and the same body with other URLs in their place."""

from collections.abc import Iterator, Mapping
from typing import Any

REFERENCE_PREFIX = "upload://"


def each_reference(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(URL, path of the field as OpenAI writes it) of every part that refers to an upload; whatever is no message
    or no part is left to validation."""
    messages = body.get("messages")
    for at, message in enumerate(messages if isinstance(messages, list) else ()):
        content = message.get("content") if isinstance(message, dict) else None
        # Almost every message is a text.
        if isinstance(content, list):
            for position, part in enumerate(content):
                if (url := _reference(part)) is not None:
                    yield url, f"messages[{at}].content[{position}].image_url.url"


def replaced_references(body: Mapping[str, Any], urls: Mapping[str, str]) -> dict[str, Any]:
    """A copy with `urls` by reference; what has no reference in it is shared with the original."""
    return {**body, "messages": [_replaced_message(message, urls) for message in body["messages"]]}


def _replaced_message(message: Any, urls: Mapping[str, str]) -> Any:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list) or not any(_reference(part) for part in content):
        return message
    return message | {"content": [_replaced_part(part, urls) for part in content]}


def _replaced_part(part: Any, urls: Mapping[str, str]) -> Any:
    reference = _reference(part)
    if reference is None:
        return part
    return part | {"image_url": part["image_url"] | {"url": urls[reference]}}


def _reference(part: Any) -> str | None:
    image = part.get("image_url") if isinstance(part, dict) else None
    url = image.get("url") if isinstance(image, dict) else None
    return url if isinstance(url, str) and url.startswith(REFERENCE_PREFIX) else None
