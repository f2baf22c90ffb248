"""Reading the bytes of an event stream, strictly."""

import json
from dataclasses import dataclass
from typing import Any

from tests.support.event_stream import without_comments


@dataclass(frozen=True, slots=True)
class Events:
    """`done` is whether [DONE] came, and came last; `comments` are the keep-alives."""

    chunks: list[dict[str, Any]]
    comments: list[str]
    done: bool

    @property
    def text(self) -> str:
        choices = (choice for chunk in self.chunks for choice in chunk.get("choices", ()))
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    @property
    def error(self) -> dict[str, Any] | None:
        """The error of the last event, if that is one."""
        found: dict[str, Any] | None = self.chunks[-1].get("error") if self.chunks else None
        return found


def events_of(body: str) -> Events:
    """Every event is one `data:` line and a blank line, and a comment is a line between two of them."""
    comments = [line for line in body.split("\n") if line.startswith(":")]
    body = without_comments(body.encode()).decode()
    assert body.endswith("\n\n"), body[-200:]
    parts = body.split("\n\n")[:-1]
    payloads = [part.removeprefix("data: ") for part in parts]
    assert all(part.startswith("data: ") and "\n" not in part for part in parts), parts
    done = payloads[-1:] == ["[DONE]"]
    chunks = payloads[:-1] if done else payloads
    return Events([json.loads(chunk) for chunk in chunks], comments, done)


def named_events_of(body: str) -> list[dict[str, Any]]:
    """The stricter kind: an `event:` line and a `data:` line that say the same type; there is no [DONE]."""
    assert body.endswith("\n\n"), body[-200:]
    found = []
    for part in without_comments(body.encode()).decode().split("\n\n")[:-1]:
        head, data = part.split("\n")
        event: dict[str, Any] = json.loads(data.removeprefix("data: "))
        assert head == f"event: {event['type']}", part[:200]
        found.append(event)
    return found
