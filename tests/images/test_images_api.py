"""Images over HTTP: JSON and forms on the routes that are deployed.

What these routes share with all paid endpoints is in tests/calls/test_endpoints.py.
"""

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
    images,
    item,
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
        assert body["usage"]["cost"] == 0.04
        told = (await gateway.get(f"/v1/usage/{response.headers['x-request-id']}")).json()
        assert (told["cost"], told["ended"], told["usage"]["images"]) == ("0.040000000", "complete", 1)


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


async def test_a_bucket_that_is_down_is_a_503_and_free() -> None:
    async with app(images()) as gateway:
        world = gateway.world
        world.objects.down = True
        response = await gateway.send(GENERATIONS, **BODY, response_format="url")
        assert_error(response, "storage_unavailable", 503)
        row = await world.settled_row()
        assert (row.cost, row.ended) == (0, Ended.UNDELIVERED)
