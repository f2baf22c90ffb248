"""Streamed answers: whole ones, broken ones, and one that the client leaves."""

from collections.abc import Callable, Iterable
from typing import Any

import openai
from openai.types.chat import ChatCompletionChunk

from tests.e2e.sdk_python.facts import WEATHER, WORDS, Facts, Target, failure_facts
from tests.e2e.sdk_python.tools import TOOLS, calls_of

Chunks = Iterable[ChatCompletionChunk]
CHUNKS_SEEN = 3


def stream(target: Target) -> Facts:
    return _read(_opener(target, "demo-chat"))


def stream_usage(target: Target) -> Facts:
    return _read(_opener(target, "demo-chat", stream_options={"include_usage": True}))


def stream_choices(target: Target) -> Facts:
    texts = {0: "", 1: ""}
    for chunk in _opener(target, "demo-chat", n=2)():
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    return {"texts": list(texts.values())}


def silence(target: Target) -> Facts:
    """Keep-alive comments before the first event and between events."""
    demo = {"first_delay_ms": 500, "chunks": 2, "delay_ms": 400}
    return _read(_opener(target, "demo-chat", hasty=True, extra_body={"demo": demo}))


def stream_tools(target: Target) -> Facts:
    return _helped(target, "demo-chat")


def stream_tools_raw(target: Target) -> Facts:
    """A provider whose deltas lack index, type and role, and repeat id and name."""
    return _helped(target, "demo-tools-raw")


def failed_midstream(target: Target) -> Facts:
    return _read(_opener(target, "demo-fail-midstream"))


def cut(target: Target) -> Facts:
    return _read(_opener(target, "demo-cut"))


def ended_early(target: Target) -> Facts:
    return _read(_opener(target, "demo-eof"))


def cancelled(target: Target) -> Facts:
    """Leaves a long stream after a few chunks."""
    raw = target.client().chat.completions.with_raw_response.create(
        model="demo-chat", messages=WORDS, stream=True, extra_body={"demo": {"chunks": 40, "delay_ms": 40}}
    )
    seen = 0
    with raw.parse() as chunks:
        for _ in chunks:
            seen += 1
            if seen == CHUNKS_SEEN:
                break
    return {"seen": seen, "request_id": raw.headers["x-request-id"]}


def _opener(target: Target, model: str, *, hasty: bool = False, **fields: Any) -> Callable[[], Chunks]:
    client = target.client("hasty_key", "hasty_url") if hasty else target.client()
    return lambda: client.chat.completions.create(model=model, messages=WORDS, stream=True, **fields)


def _read(open_stream: Callable[[], Chunks]) -> Facts:
    """Text, finish and usage as far as the stream went, and the exception that ended it."""
    read: list[ChatCompletionChunk] = []
    failure = None
    try:
        read.extend(open_stream())
    except openai.OpenAIError as exc:
        failure = failure_facts(exc)
    choices = [choice for chunk in read for choice in chunk.choices]
    return {
        "text": "".join(choice.delta.content or "" for choice in choices),
        "roles": [choice.delta.role for choice in choices if choice.delta.role],
        "finishes": [choice.finish_reason for choice in choices if choice.finish_reason],
        "usages": [chunk.to_dict()["usage"] for chunk in read if "usage" in chunk.to_dict()],
        "chunks": len(read),
        "failure": failure,
    }


def _helped(target: Target, model: str) -> Facts:
    with target.client().chat.completions.stream(model=model, messages=WEATHER, tools=TOOLS) as helper:
        final = helper.get_final_completion()
    return {"calls": calls_of(final.choices[0].message), "finish": final.choices[0].finish_reason}


SCENARIOS = (
    stream,
    stream_usage,
    stream_choices,
    silence,
    stream_tools,
    stream_tools_raw,
    failed_midstream,
    cut,
    ended_early,
    cancelled,
)
