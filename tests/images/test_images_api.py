"""Images over HTTP: JSON and forms on the routes that are deployed, with our errors."""

from typing import Any

import httpx
import pytest

from multiconnection.catalog import routes as catalog_routes
from multiconnection.history import routes as history_routes
from multiconnection.images import routes
from multiconnection.usage import Ended
from tests.support.assertions import assert_common_headers, assert_error
from tests.support.chat_app import ChatApp
from tests.support.images_world import (
    DALLE,
    MINI,
    PNG,
    USAGE,
    ImagesWorld,
    b64,
    completed,
    events,
    images,
    item,
    partial,
)

pytestmark = pytest.mark.virtual_time


GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
ROUTERS = (routes.router, catalog_routes.router, history_routes.router)
BODY: dict[str, Any] = {"model": DALLE, "prompt": "A cute baby sea otter", "n": 1, "size": "1024x1024"}


def app(*replies: Any) -> ChatApp:
    return ChatApp(ImagesWorld(*replies), ROUTERS)


async def edit(gateway: ChatApp, files: Any, headers: dict[str, str] | None = None, **data: str) -> httpx.Response:
    known = {"authorization": f"Bearer {gateway.secret}", **(headers or {})}
    return await gateway.http.post(EDITS, files=files, data=data, headers=known)


async def test_the_request_of_the_reference_is_answered_with_an_image_and_its_cost() -> None:
    async with app(images(item(revised_prompt="An otter"))) as gateway:
        response = await gateway.send(GENERATIONS, **BODY)
        assert response.status_code == 200
        assert_common_headers(response)
        body = response.json()
        assert body["data"] == [{"b64_json": b64(PNG), "revised_prompt": "An otter"}]
        assert body["usage"]["cost"] == "0.040000000"
        told = (await gateway.get(f"/v1/usage/{response.headers['x-request-id']}")).json()
        assert (told["cost"], told["ended"], told["usage"]["images"]) == ("0.040000000", "complete", 1)


async def test_a_stream_is_named_events_without_a_done() -> None:
    async with app(events(partial(), completed())) as gateway:
        response = await gateway.send(GENERATIONS, model=MINI, prompt="A cat", stream=True, partial_images=1)
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        names = [line for line in response.text.split("\n") if line.startswith("event: ")]
        assert names == ["event: image_generation.partial_image", "event: image_generation.completed"]
        assert "[DONE]" not in response.text


async def test_forms_and_json_edit() -> None:
    async with app(images(usage=USAGE), images(usage=USAGE)) as gateway:
        files = [("image[]", ("a.png", PNG, "image/png")), ("image[]", ("b.png", PNG, "image/png"))]
        first = await edit(gateway, files, model=MINI, prompt="A hat", n="1")
        second = await gateway.send(
            EDITS, model=MINI, prompt="A hat", images=[{"image_url": "https://pictures.example/1.png"}]
        )
        assert [first.status_code, second.status_code] == [200, 200]
        assert first.json()["usage"] == second.json()["usage"]
        assert {row.endpoint for row in await gateway.world.rows()} == {"images.edits"}


@pytest.mark.parametrize("path", [GENERATIONS, EDITS])
async def test_without_a_key_nothing_is_read(path: str) -> None:
    async with app() as gateway:
        gateway.secret = "sk-live-wrong"
        assert_error(await gateway.send(path, **BODY), "invalid_api_key", 401)


async def test_errors_have_our_shape() -> None:
    async with app() as gateway:
        assert assert_error(await gateway.send(GENERATIONS, **BODY | {"n": 3}), None, 400)["param"] == "n"
        assert assert_error(await edit(gateway, {"image": PNG}, model=MINI), "missing_required_parameter", 400)
        assert_error(await edit(gateway, {"image": PNG}, {"content-encoding": "gzip"}), "unsupported_media_type", 415)
        text = await gateway.http.post(
            EDITS, content=b"x", headers={"content-type": "text/plain", "authorization": f"Bearer {gateway.secret}"}
        )
        assert_error(text, "unsupported_media_type", 415)
        assert await gateway.world.rows() == []


async def test_a_large_file_is_sent_to_uploads() -> None:
    async with app() as gateway:
        large = PNG + bytes(gateway.world.settings.body_bytes_max)
        error = assert_error(await edit(gateway, {"image": large}, prompt="A hat"), "request_too_large", 413)
        assert "POST /v1/uploads" in error["message"]


async def test_an_empty_answer_is_a_502_and_free() -> None:
    async with app(images({}), images({})) as gateway:
        assert_error(await gateway.send(GENERATIONS, **BODY), "upstream_error", 502)
        row = await gateway.world.settled_row()
        assert (row.cost, row.ended) == (0, Ended.EMPTY)


async def test_a_bucket_that_is_down_is_a_503_and_free() -> None:
    async with app(images()) as gateway:
        world = gateway.world
        world.objects.down = True
        response = await gateway.send(GENERATIONS, **BODY, response_format="url")
        assert_error(response, "storage_unavailable", 503)
        row = await world.settled_row()
        assert (row.cost, row.ended) == (0, Ended.UNDELIVERED)
