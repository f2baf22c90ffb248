"""Endings that only transcriptions have: replies that are no transcript, and usage that cannot be.

Those that they share with the other endpoints are in tests/calls/test_endpoints.py and test_endpoint_streams.py.
"""

from typing import Any

import orjson
import pytest

from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.fake_http import JSON, typed_reply
from tests.support.transcription_world import DELTAS, GPT, TranscriptionWorld, delta, done, events

pytestmark = pytest.mark.virtual_time

BROKEN = orjson.dumps({"error": {"message": "boom", "type": "server_error", "code": "oops"}})
MEASURED_COST = 25 * 6000 + 4 * 10_000


@pytest.mark.parametrize(
    "form", [{}, {"model": GPT}, {"stream": "true"}, {"model": GPT, "stream": "true"}], ids=lambda form: str(form)
)
async def test_json_without_a_text_is_an_error_and_costs_nothing(form: dict[str, Any]) -> None:
    world = TranscriptionWorld(*(typed_reply(JSON, b'{"words":[]}') for _ in range(2)))
    client = await world.hear(await world.caller(), **form)
    row = await world.settled_row()
    assert (row.ended, row.usage_source, row.cost, row.usage) == (Ended.UPSTREAM_ERROR, UsageSource.NONE, 0, Usage())
    assert client.refused is not None
    assert (client.refused.code, client.refused.http_status, client.received) == ("upstream_error", 502, [])


async def test_deltas_without_text_are_an_empty_answer() -> None:
    world = TranscriptionWorld(*(events(delta("")) for _ in range(2)))
    client = await world.hear(await world.caller(), GPT, stream="true")
    assert client.refused is not None
    row = await world.settled_row()
    assert (client.refused.http_status, row.ended, row.cost) == (502, Ended.EMPTY, 0)


@pytest.mark.parametrize("text", [b"", BROKEN, b"<html>"])
async def test_a_text_format_is_not_charged_for_what_is_no_text(text: bytes) -> None:
    media_type = "text/html" if text.startswith(b"<") else "text/plain"
    world = TranscriptionWorld(*(typed_reply(media_type, text) for _ in range(2)))
    client = await world.hear(await world.caller(), response_format="srt")
    assert (client.plain, (await world.settled_row()).cost) == (None, 0)
    assert client.refused is not None
    assert client.refused.http_status == 502


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"type":"transcript.text.delta","delta":7}\n\n',
        b'data: {"delta":"x"}\n\n',
        b'data: {"type":"transcript.text.done"}\n\n',
    ],
    ids=["no text", "no type", "an end without text"],
)
async def test_an_event_that_is_no_part_of_a_transcript_breaks_the_stream(event: bytes) -> None:
    world = TranscriptionWorld(events(*DELTAS, event))
    client = await world.hear(await world.caller(), GPT, stream="true")
    row = await world.settled_row()
    assert (row.ended, row.cost, row.usage_source) == (Ended.MID_STREAM_ERROR, 0, UsageSource.NONE)
    assert client.received[:2] == DELTAS
    assert (client.events[-1]["type"], client.events[-1]["error"]["type"]) == ("error", "server_error")
    assert not any(each["type"].endswith("done") for each in client.events)


async def test_a_stream_of_more_tokens_than_can_be_is_charged_by_estimate() -> None:
    absurd = {"input_tokens": 10**9, "output_tokens": 10**9}
    world = TranscriptionWorld(events(*DELTAS, done(usage=absurd)))
    client = await world.hear(await world.caller(), GPT, stream="true")
    row = await world.settled_row()
    assert (row.cost, row.usage_source) == (MEASURED_COST, UsageSource.ESTIMATED)
    assert client.events[-1]["usage"]["total_tokens"] == row.usage.prompt_tokens + row.usage.completion_tokens
    assert (row.overrun > row.hold, world.alarms.raised) == (True, ["overrun"])


async def test_an_estimate_is_never_above_the_bound() -> None:
    world = TranscriptionWorld(events(*[delta("x" * 10_000)] * 50, done(usage=None, text="x" * 500_000)))
    await world.hear(await world.caller(), GPT, stream="true")
    row = await world.settled_row()
    assert row.usage.output < 125_000
    assert (row.overrun, world.alarms.raised) == (0, [])
