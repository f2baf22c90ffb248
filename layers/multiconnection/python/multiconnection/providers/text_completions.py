"""Legacy completions: the same stream and the same whole answer as chat, with texts where chat has messages."""

import secrets
from collections.abc import Iterator
from time import time
from typing import Any

from multiconnection.services.ports import ChatCall

from .chunks import FINISHED_BY_ERROR, Choice, Chunks, Seen, choices_of
from .estimate import utf8_length

OBJECT = "text_completion"


class TextChunks(Chunks):
    """The chunks of one text completion."""

    __slots__ = ()
    object_name = OBJECT
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


def says_something(choice: dict[str, Any]) -> bool:
    return bool(choice.get("finish_reason") or choice.get("text"))


def normalise(body: dict[str, Any], call: ChatCall) -> int:
    """A whole answer, in place; returns the UTF-8 bytes of all texts."""
    body["object"] = OBJECT
    if not isinstance(body.get("id"), str) or not body["id"]:
        body["id"] = f"cmpl-{secrets.token_hex(12)}"
    if not isinstance(body.get("created"), int):
        body["created"] = int(time())
    if not isinstance(body.get("model"), str) or not body["model"]:
        body["model"] = call.body.get("model") or call.upstream_model
    body["choices"] = choices_of(body)
    return sum(_normalise_choice(choice, position) for position, choice in enumerate(body["choices"]))


def chunks_of(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The whole answer as a provider that streams would have sent it."""
    top = {name: value for name, value in body.items() if name not in ("choices", "usage", "x_groq")}
    for position, choice in enumerate(choices_of(body)):
        yield {**top, "choices": [{"index": position, "finish_reason": "stop", **choice}]}
    usage: dict[str, Any] = {name: body[name] for name in ("usage", "x_groq") if name in body}
    yield {**top, "choices": [], **usage}


def _normalise_choice(choice: dict[str, Any], position: int) -> int:
    index = choice.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        choice["index"] = position
    if not isinstance(choice.get("text"), str):
        choice["text"] = ""
    choice.setdefault("logprobs", None)
    if not isinstance(choice.get("finish_reason"), str):
        choice["finish_reason"] = "stop"
    return utf8_length(choice["text"])
