"""Images through the real adapter: megabytes in base64, links into the bucket, events, forms with pictures."""

from base64 import b64decode
from typing import Any

import httpx
import pytest

from local.demo_upstream.images import Size, noise
from tests.support.adapter_world import Customer
from tests.support.gateway_event import form_event, gateway_event
from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.adapter, pytest.mark.asyncio(loop_scope="session")]

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
MINI, BIG = "gpt-image-1-mini", "gpt-image-1-mini+big-event"
PNG = b"\x89PNG\r\n\x1a\n"
PROMPT = "a small red fox"
TALL: Size = (1024, 1536)
MB = 1_000_000


def drawn(model: str = MINI, **members: object) -> dict[str, Any]:
    return {"model": model, "prompt": PROMPT, "size": "1024x1536", "quality": "low", **members}


async def test_images_of_more_than_ten_megabytes_arrive_whole(images: Sandbox, customer: Customer) -> None:
    answer = await images.invoke(gateway_event(drawn(BIG, n=2), path=GENERATIONS, api_key=customer.api_key))
    assert answer.status == 200, answer.body[:500]
    assert len(answer.body) > 10 * MB
    assert int(answer.headers["content-length"]) == len(answer.body)
    pictures = [b64decode(one["b64_json"]) for one in answer.json()["data"]]
    assert pictures == [noise(f"{PROMPT} {number}", TALL, "png") for number in (0, 1)]
    row = await customer.settled_row()
    assert (row.ended, answer.json()["usage"]["cost"]) == ("complete", row.cost / 10**9)


async def test_a_link_leads_to_the_image_in_the_bucket(images: Sandbox, customer: Customer) -> None:
    body = drawn(BIG, response_format="url")
    answer = await images.invoke(gateway_event(body, path=GENERATIONS, api_key=customer.api_key))
    [only] = answer.json()["data"]
    assert "b64_json" not in only
    async with httpx.AsyncClient(trust_env=False) as http:
        found = (await http.get(only["url"])).raise_for_status()
    assert found.headers["content-type"] == "image/png"
    assert found.content == noise(f"{PROMPT} 0", TALL, "png")


async def test_partial_images_arrive_while_the_next_is_drawn(images: Sandbox, customer: Customer) -> None:
    body = drawn(stream=True, partial_images=2, demo={"delay_ms": 300})
    invocation = images.begin(gateway_event(body, path=GENERATIONS, api_key=customer.api_key))
    await invocation.until(lambda one: b"image_generation.partial_image" in one.raw)
    assert invocation.ended_s is None
    answer = await images.finish(invocation)
    found = answer.named_events()
    assert [name for name, _ in found] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert all(b64decode(data["b64_json"]).startswith(PNG) for _, data in found)
    assert found[-1][1]["usage"]["cost"] * 10**9 == pytest.approx((await customer.settled_row()).cost)


async def test_an_event_of_megabytes_arrives_whole(images: Sandbox, customer: Customer) -> None:
    answer = await images.invoke(gateway_event(drawn(BIG, stream=True), path=GENERATIONS, api_key=customer.api_key))
    [(name, data)] = answer.named_events()
    assert name == "image_generation.completed"
    assert b64decode(data["b64_json"]) == noise(f"{PROMPT} 0", TALL, "png")


async def test_a_stream_that_breaks_off_says_so(images: Sandbox, customer: Customer) -> None:
    body = drawn(f"{MINI}+cut", stream=True, partial_images=3)
    answer = await images.invoke(gateway_event(body, path=GENERATIONS, api_key=customer.api_key))
    assert answer.status == 200
    (*partials, (name, data)) = answer.named_events()
    assert {partial for partial, _ in partials} == {"image_generation.partial_image"}
    assert (name, data["error"]["code"]) == ("error", "upstream_error")
    row = await customer.settled_row()
    assert (row.ended, row.cost) == ("mid_stream_error", 0)


async def test_a_picture_in_a_form_arrives_whole(images: Sandbox, customer: Customer) -> None:
    # 3 MB that no provider could read with a single byte changed: its parts have checksums.
    picture = noise("a fox", (1024, 1024), "png")
    fields = {"model": MINI, "prompt": PROMPT, "quality": "low"}
    event = form_event(fields, {"image": ("fox.png", picture)}, path=EDITS, api_key=customer.api_key)
    answer = await images.invoke(event)
    assert answer.status == 200, answer.body[:500]
    assert b64decode(answer.json()["data"][0]["b64_json"]).startswith(PNG)
    assert (await customer.settled_row()).usage.input_image > 0
