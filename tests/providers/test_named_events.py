"""Streams of named events: passed on one by one, never a clean end of a failed one, and a charge for each ending."""

from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from multiconnection.calls.upstream import Outcome, UpstreamError
from multiconnection.errors import GatewayError
from multiconnection.providers.errors import ConnectionCut, TransportFailure
from multiconnection.providers.sse import NamedEventStream, event_bytes
from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.fake_http import FakeReply
from tests.support.provider_fakes import a_provider

DELTA = b'{"type":"x.delta","text":"a"}'
DONE = b'{"type":"x.done","usage":{"input_tokens":3}}'
ERROR = b'data: {"type":"error","error":{"message":"boom","code":"server_error"}}\n\n'


@dataclass
class Reader:
    """An `EventReader` that charges one input token for each delta."""

    substance: bool = False
    finished: bool = False
    deltas: int = field(default=0)

    def accept(self, event: dict[str, Any], payload: bytes) -> bytes:
        name = str(event.get("type"))
        self.substance = self.substance or name == "x.delta"
        self.finished = name == "x.done"
        self.deltas += name == "x.delta"
        return event_bytes(name, payload)

    def complete(self) -> Outcome:
        return Outcome(Usage(input=self.deltas), UsageSource.UPSTREAM, Ended.COMPLETE)

    def so_far(self) -> Outcome:
        return Outcome(Usage(input=self.deltas), UsageSource.PARTIAL, Ended.DEADLINE)

    def failed(self, error: GatewayError) -> Outcome:
        return Outcome(Usage(), UsageSource.NONE, Ended.MID_STREAM_ERROR, error)


def sse(*payloads: bytes) -> list[bytes]:
    return [b"event: whatever\ndata: " + payload + b"\n\n" for payload in payloads]


async def relayed(reads: list[bytes | TransportFailure]) -> tuple[bytes, Outcome]:
    stream = NamedEventStream(a_provider(), FakeReply(reads), Reader())
    await stream.prime()
    items = [item async for item in stream]
    assert all(item.endswith(b"\n\n") for item in items), "a keep-alive may follow every item"
    return b"".join(items), stream.outcome()


async def test_events_are_passed_on_under_their_own_name() -> None:
    body, outcome = await relayed([*sse(DELTA, DELTA, DONE)])
    assert body == event_bytes("x.delta", DELTA) * 2 + event_bytes("x.done", DONE)
    assert outcome == Outcome(Usage(input=2), UsageSource.UPSTREAM, Ended.COMPLETE)


@pytest.mark.parametrize("cut", [1, 7, 40])
async def test_reads_may_be_cut_anywhere(cut: int) -> None:
    whole = b"".join(sse(DELTA, DONE))
    body, outcome = await relayed([whole[:cut], whole[cut:]])
    assert body == event_bytes("x.delta", DELTA) + event_bytes("x.done", DONE)
    assert outcome.ended is Ended.COMPLETE


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ([], "ended before the answer was complete"),
        ([ConnectionCut("cut")], "ended before the answer was complete"),
        ([ERROR], "boom"),
        ([b"data: 7\n\n"], "not an answer"),
        ([b"data: {torn\n\n"], "not an answer"),
        ([b"data: [DONE]\n\n"], "ended before the answer was complete"),
    ],
)
async def test_a_broken_stream_ends_with_an_error(rest: list[bytes | TransportFailure], said: str) -> None:
    body, outcome = await relayed([*sse(DELTA), *rest])
    assert body == event_bytes("x.delta", DELTA)
    assert outcome.ended is Ended.MID_STREAM_ERROR
    assert outcome.error is not None
    assert said in outcome.error.message


@pytest.mark.parametrize("reads", [[], [ERROR], [ConnectionCut("cut")], [b"data: {}\n"], [b"<html>"]])
async def test_nothing_of_substance_is_an_error_before_the_answer(reads: list[bytes | TransportFailure]) -> None:
    stream = NamedEventStream(a_provider(), FakeReply(reads), Reader())
    with pytest.raises(UpstreamError):
        await stream.prime()


async def test_before_the_end_the_outcome_is_what_is_known() -> None:
    stream = NamedEventStream(a_provider(), FakeReply(sse(DELTA, DELTA)), Reader())
    await stream.prime()
    assert stream.outcome().ended is Ended.DEADLINE
    assert orjson.loads(DELTA)["type"] == "x.delta"
