"""How a transcription can end: each line with its row, its charge and what the caller saw."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest

from multiconnection.providers.errors import AnswerTimedOut, ConnectFailed, ConnectionCut, TransportFailure
from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.fake_http import FakeReply, Piece, json_reply, typed_reply
from tests.support.transcription_world import (
    DELTAS,
    GPT,
    TEXT,
    WHISPER,
    TranscriptionWorld,
    answer,
    delta,
    done,
    events,
)

pytestmark = pytest.mark.virtual_time


NONE, UPSTREAM, ESTIMATED = UsageSource.NONE, UsageSource.UPSTREAM, UsageSource.ESTIMATED
BROKEN = orjson.dumps({"error": {"message": "boom", "type": "server_error", "code": "oops"}})
MEASURED = Usage(input_audio=25, output=4)
MEASURED_COST = 25 * 6000 + 4 * 10_000
Reply = FakeReply | TransportFailure


@dataclass(frozen=True)
class Ending:
    """`reply` is made once for each of the world's two providers."""

    name: str
    reply: Callable[[], Reply]
    ended: Ended
    code: str
    status: int = 502

    @property
    def world(self) -> TranscriptionWorld:
        return TranscriptionWorld(self.reply(), self.reply())


def told(status: int, code: str = "oops") -> Reply:
    return json_reply({"error": {"message": "no", "type": "x", "param": "file", "code": code}}, status)


def body(*pieces: Piece, media_type: str = "application/json") -> Reply:
    return typed_reply(media_type, *pieces)


ERROR, EMPTY = Ended.UPSTREAM_ERROR, Ended.EMPTY
BEFORE = [
    Ending("cannot be reached", lambda: ConnectFailed("no"), ERROR, "upstream_error"),
    Ending("never answers", lambda: AnswerTimedOut("no"), ERROR, "upstream_timeout", 504),
    Ending("500", lambda: told(500), ERROR, "upstream_error"),
    Ending("429", lambda: told(429), ERROR, "rate_limited", 429),
    Ending("its key is refused", lambda: told(401), ERROR, "upstream_auth_error"),
    Ending("400", lambda: told(400, "invalid_value"), ERROR, "invalid_value", 400),
    Ending("empty", lambda: body(), EMPTY, "upstream_error"),
    Ending("an error in a 200", lambda: body(BROKEN), ERROR, "upstream_error"),
    Ending("no JSON", lambda: body(b"{torn"), ERROR, "upstream_error"),
    Ending("a page", lambda: body(b"<html>", media_type="text/html"), ERROR, "upstream_error"),
    Ending("a list", lambda: body(b"[1]"), ERROR, "upstream_error"),
    Ending("no text", lambda: body(b'{"words":[]}'), ERROR, "upstream_error"),
    Ending("cut", lambda: body(b'{"te', ConnectionCut("cut")), ERROR, "upstream_error"),
]
EVENTS_BEFORE = [
    Ending("an error first", lambda: events(b"data: " + BROKEN + b"\n\n"), ERROR, "upstream_error"),
    Ending("no event", lambda: events(b": nothing\n\n"), EMPTY, "upstream_error"),
    Ending("events of nobody", lambda: events(b'data: {"type":"x"}\n\n'), EMPTY, "upstream_error"),
    Ending("deltas without text", lambda: events(delta("")), EMPTY, "upstream_error"),
    Ending("an event that is a list", lambda: events(b"data: []\n\n"), ERROR, "upstream_error"),
    Ending("cut at once", lambda: events(ConnectionCut("cut")), ERROR, "upstream_error"),
]


async def refused(ending: Ending, **form: Any) -> None:
    world = ending.world
    reader = await world.hear(await world.caller(), **form)
    row = await world.settled_row()
    assert (row.ended, row.usage_source, row.cost, row.usage) == (ending.ended, NONE, 0, Usage())
    assert reader.refused is not None
    assert (reader.refused.code, reader.refused.http_status) == (ending.code, ending.status)
    assert reader.received == []


@pytest.mark.parametrize("ending", BEFORE, ids=lambda ending: ending.name)
@pytest.mark.parametrize("form", [{}, {"model": GPT}, {"stream": "true"}], ids=["seconds", "tokens", "converted"])
async def test_nothing_is_charged_before_there_is_an_answer(ending: Ending, form: dict[str, Any]) -> None:
    await refused(ending, **form)


@pytest.mark.parametrize("ending", BEFORE + EVENTS_BEFORE, ids=lambda ending: ending.name)
async def test_nothing_is_charged_before_there_is_a_stream(ending: Ending) -> None:
    await refused(ending, model=GPT, stream="true")


@pytest.mark.parametrize("text", [b"", BROKEN, b"<html>"])
async def test_a_text_format_is_not_charged_for_what_is_no_text(text: bytes) -> None:
    media_type = "text/html" if text.startswith(b"<") else "text/plain"
    world = TranscriptionWorld(*(typed_reply(media_type, text) for _ in range(2)))
    reader = await world.hear(await world.caller(), response_format="srt")
    assert (reader.plain, (await world.settled_row()).cost) == (None, 0)
    assert reader.refused is not None
    assert reader.refused.http_status == 502


async def test_another_provider_takes_over_and_one_charge_is_made() -> None:
    world = TranscriptionWorld(told(500), answer({"text": TEXT, "usage": {"seconds": 3}}))
    reader = await world.hear(await world.caller())
    row = await world.settled_row()
    assert (row.provider, row.attempts, row.cost) == ("two", 2, 300_000)
    assert reader.body is not None
    assert dict(world.sent.fields)["model"] == "theirs-2"


MID_STREAM = [
    ("cut", [ConnectionCut("cut")]),
    ("clean end", []),
    ("error event", [b"data: " + BROKEN + b"\n\n"]),
    ("no JSON", [b"data: {torn\n\n"]),
    ("no text", [b'data: {"type":"transcript.text.delta","delta":7}\n\n']),
    ("no type", [b'data: {"delta":"x"}\n\n']),
    ("an end without text", [b'data: {"type":"transcript.text.done"}\n\n']),
]


@pytest.mark.parametrize("billed", [False, True])
@pytest.mark.parametrize(("name", "pieces"), MID_STREAM, ids=[name for name, _ in MID_STREAM])
async def test_a_stream_that_breaks_says_so_and_is_charged_by_the_vendor_s_policy(
    name: str, pieces: list[bytes | TransportFailure], billed: bool
) -> None:
    world = TranscriptionWorld(events(*DELTAS, *pieces))
    provider = world.providers["one"]
    world.providers["one"] = replace(provider, quirks=replace(provider.quirks, mid_stream_error_billed=billed))
    reader = await world.hear(await world.caller(), GPT, stream="true")
    row = await world.settled_row()
    assert row.ended is Ended.MID_STREAM_ERROR
    assert (row.cost, row.usage_source) == ((MEASURED_COST, ESTIMATED) if billed else (0, NONE))
    assert reader.received[:2] == DELTAS
    last = reader.events[-1]
    assert (last["type"], last["error"]["type"]) == ("error", "server_error")
    assert not any(each["type"].endswith("done") for each in reader.events)


async def test_a_stream_of_more_tokens_than_can_be_is_charged_by_estimate() -> None:
    absurd = {"input_tokens": 10**9, "output_tokens": 10**9}
    world = TranscriptionWorld(events(*DELTAS, done(usage=absurd)))
    reader = await world.hear(await world.caller(), GPT, stream="true")
    row = await world.settled_row()
    assert (row.cost, row.usage_source) == (MEASURED_COST, ESTIMATED)
    assert reader.events[-1]["usage"]["total_tokens"] == row.usage.prompt_tokens + row.usage.completion_tokens
    assert (row.overrun > row.hold, world.alarms.raised) == (True, ["overrun"])


async def test_an_estimate_is_never_above_the_bound() -> None:
    world = TranscriptionWorld(events(*[delta("x" * 10_000)] * 50, done(usage=None, text="x" * 500_000)))
    await world.hear(await world.caller(), GPT, stream="true")
    row = await world.settled_row()
    assert row.usage.output < 125_000
    assert (row.overrun, world.alarms.raised) == (0, [])


async def test_a_late_stream_starts_with_a_comment_and_is_whole() -> None:
    world = TranscriptionWorld(events(40.0, *DELTAS, done()))
    reader = await world.hear(await world.caller(), GPT, stream="true")
    assert reader.text.startswith(b": keep-alive\n")
    assert reader.events[-1]["type"] == "transcript.text.done"
    assert (await world.settled_row()).cost == 205_000


async def test_the_deadline_in_mid_stream_charges_what_was_heard() -> None:
    world = TranscriptionWorld(events(*DELTAS, 10_000.0, done()))
    reader = await world.hear(await world.caller(), GPT, stream="true")
    row = await world.settled_row()
    assert (row.ended, row.usage, row.cost, row.usage_source) == (
        Ended.DEADLINE,
        MEASURED,
        MEASURED_COST,
        ESTIMATED,
    )
    assert reader.events[-1]["error"]["code"] == "upstream_timeout"


@pytest.mark.parametrize(("model", "stream"), [(WHISPER, "false"), (WHISPER, "true"), (GPT, "true"), (GPT, "false")])
async def test_the_deadline_before_anything_charges_nothing(model: str, stream: str) -> None:
    world = TranscriptionWorld(typed_reply("application/json" if stream == "false" else None, 10_000.0))
    reader = await world.hear(await world.caller(), model, stream=stream)
    row = await world.settled_row()
    assert (row.ended, row.cost, row.usage_source) == (Ended.DEADLINE, 0, NONE)
    error = reader.refused.body()["error"] if reader.refused else reader.events[-1]["error"]
    assert error["code"] == "upstream_timeout"  # type: ignore[index]


async def test_a_caller_that_is_cancelled_leaves_no_connection_open() -> None:
    world = TranscriptionWorld(events(100.0, delta("x")))
    task = asyncio.ensure_future(world.hear(await world.caller(), GPT, stream="true"))
    await asyncio.sleep(50)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await world.settled_row()).ended is Ended.DEADLINE
