"""Images over real sockets: the official SDK, our routes under uvicorn, the real dialect and the demo upstream."""

import asyncio
import io
import socket
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import openai
import pytest
import uvicorn
from PIL import Image

from local.demo_upstream.testing import demo_upstream
from multiconnection.catalog.models import Model, parse_model
from multiconnection.images import routes as images_routes
from multiconnection.images.service import ImagesService
from multiconnection.images.upstream import OpenAiImages
from multiconnection.ledger.models import UsageRow
from multiconnection.providers.http import AiohttpClient
from multiconnection.usage import Ended, Usage, UsageSource
from multiconnection.web.app import create_app
from tests.support.images_world import DALLE, GPT, MINI, ImagesWorld
from tests.support.scripted_world import SHIPPED

PROMPT = "a small red fox"
GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
BEHAVIOURS = ["no-data", "blank-item", "bad-base64", "fewer", "big-event", "no-usage", "usage-huge", "usage-negative"]
BEHAVIOURS += ["cut", "eof", "empty", "error-500", "error-400", "error-200", "error-html", "first-event-error"]
BEHAVIOURS += ["fail-midstream", "json-for-stream", "crlf", "hang"]
MODELS = [DALLE, MINI, GPT, *(f"{base}+{behaviour}" for base in (DALLE, MINI) for behaviour in BEHAVIOURS)]
INLINE_BYTES_MAX = 1024 * 1024


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@dataclass(frozen=True)
class Gateway:
    """A served gateway; `sdk` is its customer."""

    world: ImagesWorld
    sdk: openai.AsyncOpenAI
    http: httpx.AsyncClient

    async def draw(self, model: str, **body: Any) -> httpx.Response:
        return await self.http.post(GENERATIONS, json={"model": model, "prompt": PROMPT, **body})

    async def row(self) -> UsageRow:
        return await self.world.settled_row()


@pytest.fixture
async def gateway(base_url: str) -> AsyncIterator[Gateway]:
    world, client = ImagesWorld(), AiohttpClient()
    world.models.found = [_entry(name, number) for number, name in enumerate(MODELS)]
    one = world.providers["one"]
    world.providers["one"] = replace(one, base_url=base_url, first_byte_timeout_s=5.0, idle_timeout_s=5.0)
    dialect = OpenAiImages(client)
    world.images = ImagesService(world.calls, dialect, world.uploads, INLINE_BYTES_MAX)
    secret = await world.open()
    async with _served(world) as url:
        headers = {"authorization": f"Bearer {secret}"}
        sdk = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=secret, max_retries=0)
        async with sdk, httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
            yield Gateway(world, sdk, http)
    await client.aclose()


def _entry(name: str, number: int) -> Model:
    changes = {"id": name, "code": f"z{number:02}", "aliases": [], "upstreams": [{"provider": "one", "model": name}]}
    return parse_model({**SHIPPED[name.partition("+")[0]], **changes})


@asynccontextmanager
async def _served(world: ImagesWorld) -> AsyncIterator[str]:
    app = create_app(world.set_up, [images_routes.router], images_routes.hot_routes)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", loop="none"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.ensure_future(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await task


def opened(data: bytes | str | None) -> tuple[str | None, tuple[int, int]]:
    assert data is not None
    with Image.open(io.BytesIO(b64decode(data) if isinstance(data, str) else data)) as found:
        found.load()
        return found.format, found.size


def png(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(file, "png")
    return file.getvalue()


async def test_the_sdk_draws_with_dall_e_at_the_price_of_an_image(gateway: Gateway) -> None:
    answer = await gateway.sdk.images.generate(model=DALLE, prompt=PROMPT, n=1, size="1792x1024", quality="hd")
    (only,) = answer.data or []
    assert opened(only.b64_json) == ("PNG", (1792, 1024))
    assert only.revised_prompt
    assert answer.usage is not None
    assert answer.usage.model_extra == {"images": 1, "size": "1792x1024", "quality": "hd", "cost": "0.120000000"}
    assert (await gateway.row()).cost == 120_000_000


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
async def test_the_sdk_draws_by_tokens(gateway: Gateway, output_format: Any) -> None:
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


async def test_without_a_model_the_default_draws(gateway: Gateway) -> None:
    answer = await gateway.sdk.images.generate(prompt=PROMPT)
    assert opened((answer.data or [])[0].b64_json) == ("PNG", (1024, 1024))
    row = await gateway.row()
    # 4 x 2,000 + 1,056 x 8,000 n$.
    assert (row.model, row.cost) == (MINI, 8_456_000)


@pytest.mark.parametrize("model", [DALLE, MINI])
async def test_the_sdk_gets_links_that_lead_to_the_image(gateway: Gateway, model: str) -> None:
    answer = await gateway.sdk.images.generate(model=model, prompt=PROMPT, response_format="url")
    (only,) = answer.data or []
    assert only.b64_json is None
    assert opened(await gateway.world.objects.download(only.url or "")) == ("PNG", (1024, 1024))
    assert only.model_extra is not None
    assert only.model_extra["expires_at"] == int(gateway.world.clock.now()) + 3600


async def test_an_image_above_the_inline_limit_is_a_link(gateway: Gateway) -> None:
    answer = await gateway.sdk.images.generate(model=f"{MINI}+big-event", prompt=PROMPT, size="1024x1024")
    (only,) = answer.data or []
    assert only.b64_json is None
    data = await gateway.world.objects.download(only.url or "")
    assert opened(data) == ("PNG", (1024, 1024))
    assert len(data) > INLINE_BYTES_MAX


async def test_the_sdk_streams_partial_images(gateway: Gateway) -> None:
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
    assert seen[-1].usage.model_extra["cost"] == "0.003784000"
    row = await gateway.row()
    assert (row.cost, row.ended) == (3_784_000, Ended.COMPLETE)


async def test_a_large_image_streams(gateway: Gateway) -> None:
    stream = await gateway.sdk.images.generate(model=f"{MINI}+big-event", prompt=PROMPT, stream=True)
    (only,) = [event async for event in stream]
    assert opened(only.b64_json) == ("PNG", (1024, 1024))


async def test_the_sdk_edits_one_file_and_several(gateway: Gateway) -> None:
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


async def test_the_sdk_streams_an_edit(gateway: Gateway) -> None:
    stream = await gateway.sdk.images.edit(
        model=MINI, image=("a.png", png()), prompt=PROMPT, stream=True, partial_images=1
    )
    assert [event.type async for event in stream] == ["image_edit.partial_image", "image_edit.completed"]
    assert (await gateway.row()).endpoint == "images.edits"


async def test_json_edits_by_data_and_by_upload(gateway: Gateway) -> None:
    made = await gateway.world.uploads.create("a1", {"bytes": len(png()), "content_type": "image/png"})
    await gateway.world.objects.upload(made.url, png(), "image/png")
    data = f"data:image/png;base64,{b64encode(png()).decode()}"
    for reference in (f"upload://{made.id}", data):
        body = {"model": MINI, "prompt": PROMPT, "images": [{"image_url": reference}]}
        answer = await gateway.http.post(EDITS, json=body)
        assert opened(answer.json()["data"][0]["b64_json"]) == ("PNG", (1024, 1024))
    assert {row.usage.input_image for row in await gateway.world.rows()} == {85}


async def test_the_sdk_raises_what_we_refuse(gateway: Gateway) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await gateway.sdk.images.generate(model=DALLE, prompt=PROMPT, size="256x256")
    assert caught.value.param == "size"
    assert await gateway.world.rows() == []


@pytest.mark.parametrize(
    ("behaviour", "status", "ended"),
    [
        ("no-data", 502, Ended.EMPTY),
        ("blank-item", 502, Ended.EMPTY),
        ("bad-base64", 502, Ended.EMPTY),
        ("empty", 502, Ended.EMPTY),
        ("cut", 502, Ended.UPSTREAM_ERROR),
        ("eof", 502, Ended.UPSTREAM_ERROR),
        ("error-500", 502, Ended.UPSTREAM_ERROR),
        ("error-400", 400, Ended.UPSTREAM_ERROR),
        ("error-200", 502, Ended.UPSTREAM_ERROR),
        ("error-html", 502, Ended.UPSTREAM_ERROR),
    ],
)
@pytest.mark.parametrize("base", [DALLE, MINI])
async def test_what_brings_no_image_costs_nothing(
    gateway: Gateway, base: str, behaviour: str, status: int, ended: Ended
) -> None:
    answer = await gateway.draw(f"{base}+{behaviour}")
    assert answer.status_code == status
    row = await gateway.row()
    assert (row.ended, row.cost) == (ended, 0)


async def test_a_hanging_provider_is_a_504(gateway: Gateway) -> None:
    one = gateway.world.providers["one"]
    gateway.world.providers["one"] = replace(one, first_byte_timeout_s=0.3)
    assert (await gateway.draw(f"{MINI}+hang")).status_code == 504
    assert (await gateway.row()).cost == 0


@pytest.mark.parametrize("behaviour", ["no-usage", "usage-huge", "usage-negative"])
async def test_a_usage_that_is_none_is_estimated(gateway: Gateway, behaviour: str) -> None:
    answer = await gateway.draw(f"{MINI}+{behaviour}", size="1024x1024", quality="low")
    assert answer.json()["usage"]["estimated"] is True
    row = await gateway.row()
    assert (row.usage_source, row.usage.output_image) == (UsageSource.ESTIMATED, 625)


async def test_fewer_images_cost_less(gateway: Gateway) -> None:
    answer = await gateway.draw(f"{MINI}+fewer", n=3, quality="low", size="1024x1024")
    assert len(answer.json()["data"]) == 2
    assert (await gateway.row()).ended is Ended.COMPLETE


@pytest.mark.parametrize("behaviour", ["cut", "eof", "fail-midstream"])
async def test_a_stream_that_breaks_tells_and_is_free(gateway: Gateway, behaviour: str) -> None:
    answer = await gateway.draw(f"{MINI}+{behaviour}", stream=True, partial_images=2)
    assert answer.status_code == 200
    assert "image_generation.completed" not in answer.text
    assert answer.text.split("\n\n")[-2].startswith('event: error\ndata: {"type":"error","error":{')
    row = await gateway.row()
    assert (row.ended, row.cost) == (Ended.MID_STREAM_ERROR, 0)


@pytest.mark.parametrize("behaviour", ["no-data", "blank-item", "bad-base64", "first-event-error", "json-for-stream"])
async def test_a_stream_without_an_image_is_a_plain_error(gateway: Gateway, behaviour: str) -> None:
    answer = await gateway.draw(f"{MINI}+{behaviour}", stream=True)
    assert answer.status_code == 502
    assert (await gateway.row()).cost == 0


async def test_events_torn_at_awkward_bytes_are_the_same_image(gateway: Gateway) -> None:
    answer = await gateway.draw(f"{MINI}+crlf", stream=True, partial_images=1)
    assert answer.text.count("event: image_generation.") == 2
    assert (await gateway.row()).ended is Ended.COMPLETE
