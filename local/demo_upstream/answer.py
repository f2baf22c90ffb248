"""What a demo model answers, before it is written in some provider's dialect."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call; the fragments joined are its JSON arguments."""

    id: str
    name: str
    fragments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the `n` answers: text pieces, or tool calls."""

    index: int
    pieces: tuple[str, ...]
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens by the rule in the package's docstring; completion includes reasoning."""

    prompt: int
    completion: int
    reasoning: int
    cached: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `usage` is what will be reported, None for nothing."""

    id: str
    created: int
    model: str
    choices: tuple[Choice, ...]
    counts: Counts
    usage: dict[str, Any] | None
    usage_given: bool
    reasoning_pieces: tuple[str, ...]
