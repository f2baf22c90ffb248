"""Image streams: partial images as they come, a usage that is what is charged, and images that are missing.

The endings that they share with the other endpoints are in tests/calls/test_endpoint_streams.py.
"""

from typing import Any

import pytest

from multiconnection.errors import UpstreamFailed
from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.fake_http import FakeReply, json_reply, named_event
from tests.support.images_world import (
    MINI,
    PNG,
    PNG_2,
    TOLD,
    USAGE,
    ImagesWorld,
    b64,
    completed,
    events,
    partial,
)

pytestmark = pytest.mark.virtual_time


STREAM: dict[str, Any] = {"model": MINI, "stream": True}
ONE = Usage(input=10, input_image=40, output_image=1375)


async def test_partial_images_come_as_they_are_and_the_finished_one_tells_what_it_costs() -> None:
    world = ImagesWorld(events(partial(PNG, 0), partial(PNG_2, 1)[:20], partial(PNG_2, 1)[20:], completed()))
    client = await world.generate(await world.caller(), partial_images=2, **STREAM)
    assert world.http.posted[0].json == {
        "prompt": "A cat",
        "stream": True,
        "partial_images": 2,
        "model": "theirs-1",
    }
    assert world.http.posted[0].headers["accept"] == "text/event-stream"
    first, second, last = client.events
    assert (first["b64_json"], first["partial_image_index"]) == (b64(PNG), 0)
    assert (second["b64_json"], second["partial_image_index"]) == (b64(PNG_2), 1)
    assert last == {
        "type": "image_generation.completed",
        "b64_json": b64(PNG),
        "created_at": 8,
        **TOLD,
        "usage": {
            **USAGE,
            "output_tokens_details": {"text_tokens": 0, "image_tokens": 1375},
            "cost": 0.01112,
        },
    }
    assert client.text.startswith(partial(PNG, 0))
    row = await world.settled_row()
    assert (row.usage, row.cost, row.usage_source) == (ONE, 11_120_000, UsageSource.UPSTREAM)
    assert (row.ended, row.streamed, row.endpoint) == (Ended.COMPLETE, True, "images.generations")


# {"prompt":"A cat","stream":true,"partial_images":3,"size":"1024x1024","quality":"low"}: 53, 14 and 19 bytes.
async def test_the_hold_covers_the_partial_images() -> None:
    world = ImagesWorld(events(completed()))
    await world.generate(await world.caller(), partial_images=3, size="1024x1024", quality="low", **STREAM)
    assert (await world.settled_row()).hold == (86 + 64) * 2_000 + (625 + 300 + 512) * 8_000


async def test_several_images_tell_shares_that_are_what_is_charged() -> None:
    # 1 token of 2,000 n$ and 2 of 8,000.
    usages = [{"input_tokens": 1, "output_tokens": 2}, {"input_tokens": 0, "output_tokens": 1}]
    world = ImagesWorld(events(*(completed(usage=usage) for usage in usages)))
    client = await world.generate(await world.caller(), n=2, **STREAM)
    assert [told["usage"]["cost"] for told in client.events] == [0.000018, 0.000008]
    assert (await world.settled_row()).cost == 26_000


async def test_a_finished_image_without_usage_is_estimated_with_its_partial_ones() -> None:
    world = ImagesWorld(events(partial(), completed(usage=None, quality="low"), completed(usage=None)))
    client = await world.generate(await world.caller(), n=2, partial_images=1, **STREAM)
    assert all(told["usage"]["estimated"] for told in client.events[1:])
    row = await world.settled_row()
    # {"prompt":"A cat","n":2,"partial_images":1,"stream":true} has 57 bytes: 15 tokens of 4, and once.
    assert (row.usage, row.usage_source) == (Usage(input=15, output_image=625 + 1375 + 200), UsageSource.ESTIMATED)


async def test_an_edit_streams_its_own_events() -> None:
    other = completed(kind="image_generation")
    world = ImagesWorld(events(partial(kind="image_edit"), other, completed(kind="image_edit")))
    client = await world.edit(await world.caller(), stream=True, image=f"data:;base64,{b64(PNG)}")
    assert [told["type"] for told in client.events] == ["image_edit.partial_image", "image_edit.completed"]
    assert (await world.settled_row()).endpoint == "images.edits"


async def test_a_megabyte_of_image_is_one_event() -> None:
    large = PNG + bytes(1_500_000)
    whole = completed(large)
    pieces = [whole[at : at + 65_536] for at in range(0, len(whole), 65_536)]
    world = ImagesWorld(events(*pieces))
    client = await world.generate(await world.caller(), **STREAM)
    assert client.events[0]["b64_json"] == b64(large)


async def test_more_tokens_than_an_image_can_have_are_not_believed() -> None:
    absurd = {"input_tokens": 10**9, "output_tokens": 10**9}
    world = ImagesWorld(events(partial(), completed(usage=absurd)))
    client = await world.generate(await world.caller(), **STREAM)
    row = await world.settled_row()
    shown = client.events[-1]["usage"]
    assert (shown["input_tokens"], shown["output_tokens"]) == (row.usage.prompt_tokens, row.usage.completion_tokens)
    assert (shown["estimated"], shown["cost"]) == (True, row.cost / 10**9)
    assert (row.usage.output_image, row.usage_source) == (1375, UsageSource.ESTIMATED)
    assert row.cost < row.hold < row.overrun


async def test_the_input_is_believed_once_however_many_images_report_it() -> None:
    """Its bound is 13 + 6 bytes of fields and 64 tokens: not twice 60."""
    usage = {"input_tokens": 60, "output_tokens": 1000}
    world = ImagesWorld(events(completed(usage=usage), completed(usage=usage)))
    await world.generate(await world.caller(), n=2, **STREAM)
    row = await world.settled_row()
    assert (row.usage, row.usage_source) == (Usage(input=60, output_image=2000), UsageSource.ESTIMATED)


async def test_partial_images_that_were_not_asked_for_are_not_charged() -> None:
    world = ImagesWorld(events(*[partial()] * 50, 10_000.0, completed()))
    await world.generate(await world.caller(), partial_images=2, **STREAM)
    row = await world.settled_row()
    assert (row.usage.output_image, row.ended) == (200, Ended.DEADLINE)


@pytest.mark.parametrize(
    "reply",
    [
        events(named_event("image_generation.completed", usage=USAGE)),
        events(named_event("image_generation.completed", b64_json="", usage=USAGE)),
        events(named_event("image_generation.completed", b64_json="this is not base64!")),
        events(named_event("image_generation.partial_image", partial_image_index=0)),
        events(named_event("something.else", b64_json=b64(PNG))),
        json_reply({"created": 1, "data": [{"b64_json": b64(PNG)}]}),
    ],
)
async def test_a_stream_without_an_image_is_an_error_and_free(reply: FakeReply) -> None:
    world = ImagesWorld(reply, events())
    client = await world.generate(await world.caller(), **STREAM)
    assert isinstance(client.refused, UpstreamFailed)
    row = await world.settled_row()
    assert (row.cost, row.attempts, row.provider) == (0, 2, "two")


async def test_an_image_without_data_is_an_empty_answer() -> None:
    blank = named_event("image_generation.completed", usage=USAGE)
    world = ImagesWorld(events(blank), events(blank))
    client = await world.generate(await world.caller(), **STREAM)
    assert client.refused is not None
    assert (await world.settled_row()).ended is Ended.EMPTY


@pytest.mark.parametrize(
    "break_",
    [
        named_event("image_generation.completed", b64_json="?", usage=USAGE),
        named_event("image_generation.partial_image", b64_json=None),
    ],
)
async def test_an_event_without_its_image_breaks_the_stream_and_is_free(break_: bytes) -> None:
    world = ImagesWorld(events(partial(), break_))
    client = await world.generate(await world.caller(), partial_images=1, **STREAM)
    first, last = client.events
    assert first["type"] == "image_generation.partial_image"
    assert (last["type"], last["error"]["code"]) == ("error", "upstream_error")
    row = await world.settled_row()
    assert (row.cost, row.usage, row.ended) == (0, Usage(), Ended.MID_STREAM_ERROR)


async def test_a_stream_that_breaks_after_a_whole_image_costs_that_image() -> None:
    world = ImagesWorld(events(completed(), partial()))
    client = await world.generate(await world.caller(), n=2, **STREAM)
    assert client.events[-1]["type"] == "error"
    row = await world.settled_row()
    assert (row.cost, row.usage, row.ended) == (11_120_000, ONE, Ended.MID_STREAM_ERROR)


async def test_an_image_ends_the_stream_whatever_follows() -> None:
    world = ImagesWorld(events(completed(), completed(PNG_2)))
    client = await world.generate(await world.caller(), **STREAM)
    assert len(client.events) == 1
    assert (await world.settled_row()).cost == 11_120_000


async def test_an_event_of_several_lines_is_one_line_for_the_caller() -> None:
    torn = partial().replace(b',"partial_image_index"', b',\ndata: "partial_image_index"')
    world = ImagesWorld(events(torn, completed()))
    client = await world.generate(await world.caller(), partial_images=1, **STREAM)
    assert client.events[0]["partial_image_index"] == 0
