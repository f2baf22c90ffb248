"""The official SDK draws and edits over real sockets, and answers without an image cost nothing.

What images share with the other endpoints is in test_endpoints_server.py.
"""

import io
from base64 import b64decode, b64encode
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.images_world import DALLE, GPT, MINI
from tests.support.served_gateway import INLINE_BYTES_MAX, ServedGateway

PROMPT = "a small red fox"
GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"


async def drawn(gateway: ServedGateway, model: str, **body: Any) -> httpx.Response:
    return await gateway.http.post(GENERATIONS, json={"model": model, "prompt": PROMPT, **body})


def opened(data: bytes | str | None) -> tuple[str | None, tuple[int, int]]:
    assert data is not None
    with Image.open(io.BytesIO(b64decode(data) if isinstance(data, str) else data)) as found:
        found.load()
        return found.format, found.size


def png(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(file, "png")
    return file.getvalue()


async def test_the_sdk_draws_with_dall_e_at_the_price_of_an_image(gateway: ServedGateway) -> None:
    answer = await gateway.sdk.images.generate(model=DALLE, prompt=PROMPT, n=1, size="1792x1024", quality="hd")
    (only,) = answer.data or []
    assert opened(only.b64_json) == ("PNG", (1792, 1024))
    assert only.revised_prompt
    assert answer.usage is not None
    assert answer.usage.model_extra == {"images": 1, "size": "1792x1024", "quality": "hd", "cost": 0.12}
    assert (await gateway.row()).cost == 120_000_000


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
async def test_the_sdk_draws_by_tokens(gateway: ServedGateway, output_format: Any) -> None:
    answer = await gateway.sdk.images.generate(
        model=GPT, prompt=PROMPT, n=2, size="1024x1536", quality="low", output_format=output_format
    )
    found = [opened(one.b64_json) for one in answer.data or []]
    assert found == [(output_format.upper(), (1024, 1536))] * 2
    assert (answer.size, answer.quality, answer.output_format) == ("1024x1536", "low", output_format)
    assert answer.usage is not None
    # 4 words of 5,000 n$, twice 408 tokens of 32,000.
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (4, 816, 820)
    assert answer.usage.input_tokens_details.text_tokens == 4
    row = await gateway.row()
    assert (row.cost, row.overrun, row.usage_source) == (26_132_000, 0, UsageSource.UPSTREAM)


async def test_without_a_model_the_default_draws(gateway: ServedGateway) -> None:
    answer = await gateway.sdk.images.generate(prompt=PROMPT)
    assert opened((answer.data or [])[0].b64_json) == ("PNG", (1024, 1024))
    row = await gateway.row()
    # 4 x 2,000 + 1,056 x 8,000 n$.
    assert (row.model, row.cost) == (MINI, 8_456_000)


@pytest.mark.parametrize("model", [DALLE, MINI])
async def test_the_sdk_gets_links_that_lead_to_the_image(gateway: ServedGateway, model: str) -> None:
    before_s = int(gateway.world.clock.now())
    answer = await gateway.sdk.images.generate(model=model, prompt=PROMPT, response_format="url")
    after_s = int(gateway.world.clock.now())
    (only,) = answer.data or []
    assert only.b64_json is None
    assert opened(await gateway.world.objects.download(only.url or "")) == ("PNG", (1024, 1024))
    assert only.model_extra is not None
    assert before_s <= only.model_extra["expires_at"] - 3600 <= after_s


async def test_an_image_above_the_inline_limit_is_a_link(gateway: ServedGateway) -> None:
    answer = await gateway.sdk.images.generate(model=f"{MINI}+big-event", prompt=PROMPT, size="1024x1024")
    (only,) = answer.data or []
    assert only.b64_json is None
    data = await gateway.world.objects.download(only.url or "")
    assert opened(data) == ("PNG", (1024, 1024))
    assert len(data) > INLINE_BYTES_MAX


async def test_the_sdk_streams_partial_images(gateway: ServedGateway) -> None:
    stream = await gateway.sdk.images.generate(model=MINI, prompt=PROMPT, stream=True, partial_images=2, quality="low")
    seen: list[Any] = [event async for event in stream]
    assert [event.type for event in seen] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert [event.partial_image_index for event in seen[:2]] == [0, 1]
    assert all(opened(event.b64_json) == ("PNG", (1024, 1024)) for event in seen)
    # 4 x 2,000 + (272 + 200) x 8,000 n$.
    assert seen[-1].usage.model_extra["cost"] == 0.003784
    row = await gateway.row()
    assert (row.cost, row.ended) == (3_784_000, Ended.COMPLETE)


async def test_a_large_image_streams(gateway: ServedGateway) -> None:
    stream = await gateway.sdk.images.generate(model=f"{MINI}+big-event", prompt=PROMPT, stream=True)
    (only,) = [event async for event in stream]
    assert opened(only.b64_json) == ("PNG", (1024, 1024))


async def test_the_sdk_edits_one_file_and_several(gateway: ServedGateway) -> None:
    one = await gateway.sdk.images.edit(model=MINI, image=("a.png", png()), prompt=PROMPT, quality="low")
    assert opened((one.data or [])[0].b64_json) == ("PNG", (1024, 1024))
    # 4 x 2,000 + 85 x 2,500 + 272 x 8,000 n$.
    row = await gateway.row()
    assert (row.cost, row.usage) == (2_396_500, Usage(input=4, input_image=85, output_image=272))
    several = await gateway.sdk.images.edit(
        model=GPT,
        image=[("a.png", png()), ("b.png", png("blue"))],
        mask=("m.png", png("white")),
        prompt=PROMPT,
        n=2,
        quality="low",
        input_fidelity="high",
        extra_body={"seed": 7},
    )
    assert len(several.data or []) == 2
    assert several.usage is not None
    assert several.usage.input_tokens_details.image_tokens == 255


async def test_the_sdk_streams_an_edit(gateway: ServedGateway) -> None:
    stream = await gateway.sdk.images.edit(
        model=MINI, image=("a.png", png()), prompt=PROMPT, stream=True, partial_images=1
    )
    assert [event.type async for event in stream] == ["image_edit.partial_image", "image_edit.completed"]
    assert (await gateway.row()).endpoint == "images.edits"


async def test_json_edits_by_data_and_by_upload(gateway: ServedGateway) -> None:
    made = await gateway.world.uploads.create("a1", {"bytes": len(png()), "content_type": "image/png"})
    await gateway.world.objects.upload(made.url, png(), "image/png")
    data = f"data:image/png;base64,{b64encode(png()).decode()}"
    for reference in (f"upload://{made.id}", data):
        body = {"model": MINI, "prompt": PROMPT, "images": [{"image_url": reference}]}
        answer = await gateway.http.post(EDITS, json=body)
        assert opened(answer.json()["data"][0]["b64_json"]) == ("PNG", (1024, 1024))
    assert {row.usage.input_image for row in await gateway.world.rows()} == {85}


async def test_the_sdk_raises_what_we_refuse(gateway: ServedGateway) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await gateway.sdk.images.generate(model=DALLE, prompt=PROMPT, size="256x256")
    assert caught.value.param == "size"
    assert await gateway.world.rows() == []


@pytest.mark.parametrize("behaviour", ["no-data", "blank-item", "bad-base64"])
@pytest.mark.parametrize("base", [DALLE, MINI])
async def test_an_answer_without_an_image_costs_nothing(gateway: ServedGateway, base: str, behaviour: str) -> None:
    answer = await drawn(gateway, f"{base}+{behaviour}")
    row = await gateway.row()
    assert (answer.status_code, row.ended, row.cost) == (502, Ended.EMPTY, 0)


@pytest.mark.parametrize("behaviour", ["no-usage", "usage-huge", "usage-negative"])
async def test_a_usage_that_is_none_is_estimated(gateway: ServedGateway, behaviour: str) -> None:
    answer = await drawn(gateway, f"{MINI}+{behaviour}", size="1024x1024", quality="low")
    assert answer.json()["usage"]["estimated"] is True
    row = await gateway.row()
    assert (row.usage_source, row.usage.output_image) == (UsageSource.ESTIMATED, 625)


async def test_fewer_images_cost_less(gateway: ServedGateway) -> None:
    answer = await drawn(gateway, f"{MINI}+fewer", n=3, quality="low", size="1024x1024")
    assert len(answer.json()["data"]) == 2
    assert (await gateway.row()).ended is Ended.COMPLETE


@pytest.mark.parametrize("behaviour", ["no-data", "blank-item", "bad-base64", "first-event-error", "json-for-stream"])
async def test_a_stream_without_an_image_is_a_plain_error(gateway: ServedGateway, behaviour: str) -> None:
    answer = await drawn(gateway, f"{MINI}+{behaviour}", stream=True)
    assert answer.status_code == 502
    assert (await gateway.row()).cost == 0
