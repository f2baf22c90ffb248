"""A provider at the transport: scripted replies, and helpers to write and read chat streams."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from multiconnection.calls.upstream import Outcome
from multiconnection.catalog.bounds import CostBound
from multiconnection.catalog.models import Provider, Quirks
from multiconnection.chat.request import ChatCall
from multiconnection.chat.upstream import OpenAiCompatible
from multiconnection.providers.errors import TransportFailure
from multiconnection.usage import Usage
from tests.support.chat_world import a_model
from tests.support.fake_http import FakeHttp, FakeReply

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
TOP = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m-1"}


def a_provider(**quirks: Any) -> Provider:
    return Provider(
        name="acme",
        base_url="https://api.acme-models.example/v1",
        auth="bearer",
        api_key="sk-acme-secret-0123456789",
        connect_timeout_s=1,
        first_byte_timeout_s=2,
        idle_timeout_s=3,
        attempts_max=2,
        quirks=Quirks(**quirks),
    )


def a_call(output_tokens_max: int = 1000, **changes: Any) -> ChatCall:
    values: dict[str, Any] = {
        "endpoint": "chat.completions",
        "model": a_model(),
        "bound": CostBound(0, 0, output_tokens_max),
        "streamed": True,
        "body": {"model": "public-name", "messages": [{"role": "user", "content": "hi"}]},
        "upstream_model": "m-1",
        "prompt_tokens_max": 5000,
        "prompt_tokens_estimate": 20,
        "choices": 1,
        "include_usage": False,
    }
    return ChatCall(**(values | changes))


def cost_of(usage: Usage) -> Decimal:
    return Decimal(f"0.{usage.prompt_tokens:04}{usage.completion_tokens:04}")


def event(value: object) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    return event({**TOP, "choices": [{"index": index, "delta": delta or {}, "finish_reason": finish}], **more})


def usage_chunk(usage: object = USAGE) -> bytes:
    return event({**TOP, "choices": [], "usage": usage})


ROLE = chunk({"role": "assistant", "content": ""})
ANSWER = [ROLE, chunk({"content": "Hel"}), chunk({"content": "lo"}), chunk({"content": "!!"}), chunk(finish="stop")]


@dataclass(frozen=True)
class Relayed:
    """What a caller received of one stream."""

    items: list[bytes]
    outcome: Outcome

    @property
    def raw(self) -> bytes:
        return b"".join(self.items)

    @property
    def events(self) -> list[bytes]:
        assert not self.raw or self.raw.endswith(b"\n\n")
        lines = self.raw.split(b"\n\n")[:-1]
        assert all(line.startswith(b"data: ") and b"\n" not in line for line in lines)
        return [line.removeprefix(b"data: ") for line in lines]

    @property
    def chunks(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.events if line != b"[DONE]"]

    @property
    def text(self) -> str:
        return "".join(c["choices"][0]["delta"].get("content") or "" for c in self.chunks if c["choices"])

    @property
    def whole(self) -> bool:
        return self.items[-1:] == [DONE] and self.events.count(b"[DONE]") == 1


async def relayed(
    pieces: Iterable[bytes | TransportFailure],
    call: ChatCall | None = None,
    provider: Provider | None = None,
) -> Relayed:
    """The pieces of an upstream's body through the dialect; raises UpstreamError as it does."""
    reply = FakeReply(pieces)
    dialect = OpenAiCompatible(FakeHttp([reply]))
    try:
        stream = await dialect.stream(provider or a_provider(), call or a_call(), cost_of)
        items = [item async for item in stream]
    finally:
        assert reply.closed
    await stream.aclose()
    assert all(item.endswith(b"\n\n") for item in items), "a keep-alive may follow every item"
    return Relayed(items, stream.outcome())
