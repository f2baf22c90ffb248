"""Providers at the port: scripted attempts, their answers as bytes to forward and an outcome to charge."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from multiconnection.calls.upstream import Completion, CostOf, Outcome, UpstreamError
from multiconnection.catalog.models import Provider, Quirks
from multiconnection.chat.request import ChatCall
from multiconnection.errors import GatewayError, UpstreamFailed
from multiconnection.usage import Ended, Usage, UsageSource

DONE = b"data: [DONE]\n\n"
USAGE = Usage(input=10, cached_input=4, output=3)
FAILED = UpstreamFailed("The provider failed.")


def event(text: str) -> bytes:
    return b"data: " + orjson.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}) + b"\n\n"


TEXT = [event("Hel"), event("lo")]


def outcome(
    usage: Usage = USAGE,
    source: UsageSource = UsageSource.UPSTREAM,
    ended: Ended = Ended.COMPLETE,
    error: GatewayError | None = None,
) -> Outcome:
    return Outcome(usage, source, ended, error)


def failed(*, elsewhere: bool = True, error: GatewayError | None = None, cool_down_s: float = 0.0) -> UpstreamError:
    return UpstreamError(error or FAILED, retry_elsewhere=elsewhere, cool_down_s=cool_down_s)


@dataclass
class Attempt:
    """One call of the port. A number among the chunks is silence in seconds; `so_far` is known before the end."""

    raises: BaseException | None = None
    silent_s: float = 0.0
    chunks: Sequence[bytes | float | BaseException] = (*TEXT, DONE)
    ends: Outcome = field(default_factory=outcome)
    so_far: Outcome = field(default_factory=lambda: outcome(Usage(input=10), UsageSource.ESTIMATED, Ended.DEADLINE))


class FakeStream:
    """Implements `UpstreamStream`."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._ended = False
        self.delivered: list[bytes] = []
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._attempt.chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            if isinstance(chunk, bytes):
                self.delivered.append(chunk)
                yield chunk
            else:
                await asyncio.sleep(chunk)
        self._ended = True

    def outcome(self) -> Outcome:
        return self._attempt.ends if self._ended else self._attempt.so_far

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class FakeUpstream:
    """Implements `ChatUpstream`: attempts in order, and the last one for ever."""

    attempts: list[Attempt] = field(default_factory=lambda: [Attempt()])
    calls: list[tuple[str, ChatCall]] = field(default_factory=list)
    streams: list[FakeStream] = field(default_factory=list)
    costs: list[CostOf] = field(default_factory=list)
    on_call: Callable[[], None] = lambda: None

    async def complete(self, provider: Provider, call: ChatCall) -> Completion[dict[str, Any]]:
        attempt = await self._answered(provider, call)
        body: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion", "choices": [{"index": 0}]}
        if attempt.ends.source is UsageSource.UPSTREAM:
            body["usage"] = attempt.ends.usage.as_openai()
        return Completion(body, attempt.ends)

    async def stream(self, provider: Provider, call: ChatCall, cost_of: CostOf) -> FakeStream:
        attempt = await self._answered(provider, call)
        self.costs.append(cost_of)
        self.streams.append(FakeStream(attempt))
        return self.streams[-1]

    async def _answered(self, provider: Provider, call: ChatCall) -> Attempt:
        attempt = self.attempts[min(len(self.calls), len(self.attempts) - 1)]
        self.calls.append((provider.name, call))
        self.on_call()
        await asyncio.sleep(attempt.silent_s)
        if attempt.raises is not None:
            raise attempt.raises
        return attempt


def a_provider(name: str, attempts_max: int = 1) -> Provider:
    return Provider(
        name=name,
        base_url=f"https://api.{name}.example/v1",
        auth="bearer",
        api_key="sk-secret",
        connect_timeout_s=1,
        first_byte_timeout_s=2,
        idle_timeout_s=3,
        attempts_max=attempts_max,
        quirks=Quirks(),
    )
