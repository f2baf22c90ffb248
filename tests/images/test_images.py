"""Whole image answers: exact prices, what is delivered where, and that nobody pays for what did not arrive."""

from base64 import b64decode
from decimal import Decimal
from typing import Any

import pytest

from multiconnection.catalog.models import parse_model
from multiconnection.errors import StorageUnavailable, UpstreamFailed
from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.chat_world import an_entry
from tests.support.fake_http import FakeReply, json_reply
from tests.support.images_world import (
    DALLE,
    GPT,
    JPEG,
    MINI,
    PNG,
    PNG_2,
    TOLD,
    USAGE,
    ImagesWorld,
    b64,
    images,
    item,
)
from tests.support.scripted_world import UPSTREAMS

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(
    ("asked", "size", "quality", "cost"),
    [
        ({}, "1024x1024", "standard", 40_000_000),
        ({"size": "auto", "quality": "auto"}, "1024x1024", "standard", 40_000_000),
        ({"quality": "hd"}, "1024x1024", "hd", 80_000_000),
        ({"size": "1024x1792"}, "1024x1792", "standard", 80_000_000),
        ({"size": "1792x1024", "quality": "hd"}, "1792x1024", "hd", 120_000_000),
    ],
)
async def test_a_priced_image_costs_its_size_and_quality_and_the_provider_is_asked_for_just_that(
    asked: dict[str, Any], size: str, quality: str, cost: int
) -> None:
    world = ImagesWorld(images(item(revised_prompt="A fine cat")))
    client = await world.generate(await world.caller(), **asked)
    assert client.body == {
        "created": 1_713_833_628,
        "data": [{"b64_json": b64(PNG), "revised_prompt": "A fine cat"}],
        "usage": {
            "total_tokens": 0,
            "input_tokens": 0,
            "output_tokens": 0,
            "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
            "output_tokens_details": {"text_tokens": 0, "image_tokens": 0},
            "images": 1,
            "size": size,
            "quality": quality,
            "cost": Decimal(cost) / 10**9,
        },
    }
    (posted,) = world.http.posted
    assert posted.url == "https://api.one.example/v1/images/generations"
    assert posted.json == {
        "prompt": "A cat",
        "size": size,
        "quality": quality,
        "model": "theirs-1",
        "response_format": "b64_json",
    }
    row = await world.settled_row()
    assert (row.cost, row.hold, row.overrun, row.usage_source) == (cost, cost, 0, UsageSource.UPSTREAM)
    assert (row.endpoint, row.ended, row.model) == ("images.generations", Ended.COMPLETE, DALLE)
    assert row.usage == Usage(images=1, image_size=size, image_quality=quality)


# n$ by hand. mini: 10 x 2,000 + 40 x 2,500 + 1,375 x 8,000. 1.5: text 5,000 and 10,000, images 8,000 and 32,000.
@pytest.mark.parametrize(
    ("model", "usage", "counted", "cost"),
    [
        (MINI, USAGE, Usage(input=10, input_image=40, output_image=1375), 11_120_000),
        (GPT, {"input_tokens": 10, "output_tokens": 1056}, Usage(input=10, output_image=1056), 33_842_000),
        (
            GPT,
            {
                "input_tokens": 50,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
                "output_tokens": 1156,
                "output_tokens_details": {"text_tokens": 100, "image_tokens": 1056},
            },
            Usage(input=10, input_image=40, output=100, output_image=1056),
            35_162_000,
        ),
        (
            MINI,
            {"input_tokens": 0, "output_tokens": 900, "output_tokens_details": {"text_tokens": 300}},
            Usage(output_image=900),
            7_200_000,
        ),
        (
            GPT,
            {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 1},
            Usage(input=6, cached_input=4, output_image=1),
            67_000,
        ),
        (MINI, {"input_tokens": 0, "output_tokens": 0}, Usage(), 0),
    ],
)
async def test_models_of_tokens_cost_the_providers_tokens(
    model: str, usage: dict[str, Any], counted: Usage, cost: int
) -> None:
    world = ImagesWorld(images(usage=usage, **TOLD))
    client = await world.generate(await world.caller(), model=model, response_format="b64_json", user="u-1", seed=7)
    assert world.http.posted[0].json == {"prompt": "A cat", "user": "u-1", "seed": 7, "model": "theirs-1"}
    row = await world.settled_row()
    assert (row.usage, row.cost, row.usage_source) == (counted, cost, UsageSource.UPSTREAM)
    assert client.body is not None
    assert client.body["usage"]["cost"] == Decimal(cost) / 10**9
    assert client.body["usage"]["input_tokens"] == usage["input_tokens"]
    assert client.body["usage"]["output_tokens"] == usage["output_tokens"]
    assert {name: client.body[name] for name in TOLD} == TOLD


async def test_the_usage_object_is_that_of_the_reference() -> None:
    world = ImagesWorld(images(usage=USAGE))
    client = await world.generate(await world.caller(), model=MINI)
    assert client.body is not None
    assert client.body["usage"] == {
        **USAGE,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": 1375},
        "cost": Decimal("0.01112"),
    }


# {"prompt":"A cat","size":"1024x1024","quality":"low"} has 53 bytes, with "n":2 59; 64 more around it, 512 an image.
@pytest.mark.parametrize(
    ("asked", "hold"),
    [
        ({"size": "1024x1024", "quality": "low"}, 117 * 2_000 + (625 + 512) * 8_000),
        ({"size": "1024x1024", "quality": "low", "n": 2}, 123 * 2_000 + 2 * (625 + 512) * 8_000),
        ({}, (17 + 1 + 64) * 2_000 + (6500 + 512) * 8_000),
        ({"quality": "low"}, (17 + 16 + 1 + 64) * 2_000 + (750 + 512) * 8_000),
        ({"size": "1024x1024"}, (17 + 19 + 1 + 64) * 2_000 + (4500 + 512) * 8_000),
    ],
)
async def test_the_hold_is_for_the_dearest_image_that_may_come(asked: dict[str, Any], hold: int) -> None:
    world = ImagesWorld(images(usage=USAGE))
    await world.generate(await world.caller(), model=MINI, **asked)
    assert (await world.settled_row()).hold == hold


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        {"input_tokens": -1, "output_tokens": 1},
        {"input_tokens": 1, "output_tokens": 1.5},
        {"input_tokens": "1", "output_tokens": 1},
        {"input_tokens": 1, "output_tokens": True},
    ],
)
async def test_without_a_usage_that_can_be_believed_the_catalogs_count_stands_in(usage: object) -> None:
    world = ImagesWorld(images(usage=usage))
    client = await world.generate(await world.caller(), model=MINI, prompt="A" * 3, size="1024x1536", quality="high")
    row = await world.settled_row()
    # {"prompt":"AAA","size":"1024x1536","quality":"high"} has 52 bytes: 13 tokens of 4.
    assert row.usage == Usage(input=13, output_image=6500)
    assert (row.cost, row.usage_source) == (52_026_000, UsageSource.ESTIMATED)
    assert client.body is not None
    assert client.body["usage"]["estimated"] is True


async def test_the_estimate_goes_by_what_the_answer_says_that_it_is() -> None:
    world = ImagesWorld(images(**{**TOLD, "quality": "low"}), images(**{**TOLD, "quality": "vast"}))
    caller = await world.caller()
    for _ in range(2):
        await world.generate(caller, model=MINI)
    assert sorted(row.usage.output_image for row in await world.rows()) == [625, 1375]


async def test_a_priced_image_costs_what_the_answer_says_that_it_is_if_that_has_a_price() -> None:
    world = ImagesWorld(images(quality="standard"), images(quality="vast"), images(size=7))
    caller = await world.caller()
    for _ in range(3):
        await world.generate(caller, quality="hd")
    assert sorted(row.cost for row in await world.rows()) == [40_000_000, 80_000_000, 80_000_000]


async def test_images_that_did_not_come_are_not_paid_for() -> None:
    several = parse_model(
        an_entry(
            id=DALLE,
            code="de3",
            aliases=[],
            kind="image",
            prices={"images": {"1x1": {"low": "0.01"}}},
            image_terms={"size_default": "1x1", "quality_default": "low"},
            upstreams=UPSTREAMS,
        )
    )
    world = ImagesWorld(images(item(), {"b64_json": "!"}, {}, item(PNG_2)), models=(several,))
    client = await world.generate(await world.caller(), n=5)
    assert client.body is not None
    assert client.body["data"] == [{"b64_json": b64(PNG)}, {"b64_json": b64(PNG_2)}]
    row = await world.settled_row()
    assert (row.usage.images, row.cost, row.hold) == (2, 20_000_000, 50_000_000)


async def test_tokens_of_images_that_cannot_be_used_are_not_paid_for() -> None:
    usage = {"input_tokens": 10, "output_tokens": 2001}
    world = ImagesWorld(images(item(), {"b64_json": ""}, usage=usage))
    client = await world.generate(await world.caller(), model=MINI, n=2)
    assert client.body is not None
    assert len(client.body["data"]) == 1
    assert (await world.settled_row()).usage == Usage(input=10, output_image=1000)


async def test_more_images_than_were_asked_for_are_not_delivered() -> None:
    world = ImagesWorld(images(item(), item(PNG_2)))
    client = await world.generate(await world.caller())
    assert client.body is not None
    assert [b64decode(one["b64_json"]) for one in client.body["data"]] == [PNG]
    assert (await world.settled_row()).cost == 40_000_000


@pytest.mark.parametrize(
    "reply",
    [
        json_reply({"created": 1, "data": []}),
        json_reply({"created": 1}),
        json_reply({"created": 1, "data": None}),
        images({}),
        images("x"),
        images({"b64_json": None, "url": None}),
        images({"b64_json": "this is not base64!"}),
        images({"b64_json": ""}),
        images({"url": "https://elsewhere.example/1.png"}),
        FakeReply([]),
    ],
)
async def test_an_answer_without_an_image_costs_nothing_and_says_so(reply: FakeReply) -> None:
    again = FakeReply([b""])
    world = ImagesWorld(reply, again)
    client = await world.generate(await world.caller())
    assert isinstance(client.refused, UpstreamFailed)
    assert client.refused.http_status == 502
    row = await world.settled_row()
    assert (row.cost, row.usage, row.ended) == (0, Usage(), Ended.EMPTY)
    assert world.pictures.asked == []


async def test_another_provider_is_asked_when_the_first_has_no_image() -> None:
    world = ImagesWorld(images({}), images())
    client = await world.generate(await world.caller())
    assert client.body is not None
    assert [posted.url for posted in world.http.posted] == [
        "https://api.one.example/v1/images/generations",
        "https://api.two.example/v1/images/generations",
    ]
    assert (await world.settled_row()).cost == 40_000_000


async def test_a_link_of_the_provider_is_read_for_the_caller() -> None:
    url = "https://api.one.example/files/1.png"
    world = ImagesWorld(images({"url": url, "revised_prompt": "A cat"}))
    world.pictures.found[url] = PNG
    client = await world.generate(await world.caller())
    assert client.body is not None
    assert client.body["data"] == [{"b64_json": b64(PNG), "revised_prompt": "A cat"}]
    assert (await world.settled_row()).cost == 40_000_000


@pytest.mark.parametrize(
    ("data", "told", "ending", "content_type"),
    [
        (PNG, {}, "png", "image/png"),
        (JPEG, {"output_format": "png"}, "jpg", "image/jpeg"),
        (b"?", {"output_format": "webp"}, "webp", "image/webp"),
        (b"?", {}, "bin", "application/octet-stream"),
    ],
)
async def test_links_lead_to_the_image_until_the_time_told(
    data: bytes, told: dict[str, Any], ending: str, content_type: str
) -> None:
    world = ImagesWorld(images(item(data, revised_prompt="A cat"), **told))
    client = await world.generate(await world.caller(), response_format="url")
    assert client.body is not None
    (only,) = client.body["data"]
    assert only.keys() == {"url", "expires_at", "revised_prompt"}
    assert only["expires_at"] == int(world.clock.now()) + 3600
    assert await world.objects.download(only["url"]) == data
    row = await world.settled_row()
    assert world.objects.objects == {f"results/a1/{row.hold_id}/0.{ending}": (data, content_type)}
    assert row.cost == 40_000_000


async def test_what_does_not_fit_inline_is_a_link() -> None:
    large = PNG + bytes(50)
    # 13 bytes are 20 of base64, 63 are 84.
    world = ImagesWorld(images(item(), item(large), item(PNG_2), usage=USAGE), inline_bytes_max=100)
    client = await world.generate(await world.caller(), model=MINI, n=3)
    assert client.body is not None
    first, second, third = client.body["data"]
    assert (first, third) == ({"b64_json": b64(PNG)}, {"b64_json": b64(PNG_2)})
    assert await world.objects.download(second["url"]) == large


@pytest.mark.parametrize(("asked", "inline"), [({"response_format": "url"}, 1000), ({}, 10)])
async def test_an_image_that_cannot_be_stored_is_not_paid_for_and_the_row_says_why(
    asked: dict[str, Any], inline: int
) -> None:
    world = ImagesWorld(images(), inline_bytes_max=inline)
    world.objects.down = True
    client = await world.generate(await world.caller(), **asked)
    assert isinstance(client.refused, StorageUnavailable)
    row = await world.settled_row()
    assert (row.cost, row.usage, row.ended) == (0, Usage(), Ended.UNDELIVERED)


async def test_more_tokens_than_an_image_can_have_are_not_believed_and_the_row_says_so() -> None:
    world = ImagesWorld(images(usage={"input_tokens": 0, "output_tokens": 100_000}))
    await world.generate(await world.caller(), model=MINI, size="1024x1024", quality="low")
    row = await world.settled_row()
    assert (row.usage, row.usage_source) == (Usage(output_image=625), UsageSource.ESTIMATED)
    assert (row.cost, row.overrun) == (5_000_000, 800_000_000 - 5_000_000)
    assert world.alarms.raised == ["overrun"]
