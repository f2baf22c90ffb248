"""POST /v1/uploads as a caller meets it: authenticated, counted, one error shape, and a URL that works."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from starlette.datastructures import State

from multiconnection.uploads import routes as uploads_routes
from multiconnection.uploads.service import UploadConfig, UploadService
from multiconnection.web.app import Process, create_app
from tests.support.assertions import assert_common_headers, assert_error
from tests.support.chat_world import IP, ChatWorld
from tests.support.fake_objects import FakeObjects

pytestmark = pytest.mark.virtual_time


PNG = b"\x89PNG\r\n\x1a\n"
BODY = {"bytes": len(PNG), "content_type": "image/png", "filename": "a.png"}


@dataclass
class UploadsApp:
    """The function's app over one world and a bucket in memory; `secret` is the key of account a1."""

    world: ChatWorld
    store: FakeObjects
    http: httpx.AsyncClient
    secret: str = ""

    async def post(self, secret: str | None = None, **more: Any) -> httpx.Response:
        request = more or {"json": BODY}
        headers = {"authorization": f"Bearer {secret or self.secret}"} | request.pop("headers", {})
        return await self.http.post("/v1/uploads", headers=headers, **request)


@asynccontextmanager
async def uploads_app() -> AsyncIterator[UploadsApp]:
    world = ChatWorld()
    store = FakeObjects(world.clock)
    service = UploadService(store, world.clock, world.rng, UploadConfig())

    def set_up(state: State) -> Process:
        process = world.set_up(state)
        state.uploads = service
        return process

    async with AsyncExitStack() as stack:
        transport = httpx.ASGITransport(app=create_app(set_up, [uploads_routes.router]), client=(IP, 1234))
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://gateway"))
        yield UploadsApp(world, store, http, await world.open())


async def test_an_upload_tells_where_how_and_until_when_to_send_the_file() -> None:
    async with uploads_app() as app:
        response = await app.post()
        assert_common_headers(response)
        assert response.status_code == 200
        upload = response.json()
        url, upload_id = upload["upload"].pop("url"), upload["id"]
        sent = await app.store.upload(url, PNG, upload["upload"]["headers"]["content-type"])
    assert upload == {
        "id": upload_id,
        "object": "upload",
        "bytes": len(PNG),
        "content_type": "image/png",
        "filename": "a.png",
        "created_at": int(app.world.clock.now()),
        "expires_at": int(app.world.clock.now()) + 900,
        "upload": {"method": "PUT", "headers": {"content-type": "image/png", "content-length": str(len(PNG))}},
        "reference": f"upload://{upload_id}",
    }
    assert sent == 200
    assert app.store.objects == {f"uploads/a1/{upload_id}": (PNG, "image/png")}


async def test_the_account_is_the_keys_and_never_the_bodys() -> None:
    async with uploads_app() as app:
        other = await app.world.open(account_id="a2")
        await app.post(other, json=BODY | {"account_id": "a1", "id": "upl_x", "key": "uploads/a1/x"})
    [(operation, key)] = app.store.calls
    assert (operation, key.startswith("uploads/a2/upl_")) == ("presigned_put", True)


async def test_without_a_key_nothing_is_signed() -> None:
    async with uploads_app() as app:
        assert_error(await app.http.post("/v1/uploads", json=BODY), "api_key_required", 401)
        assert_error(await app.post("sk-live-wrong"), "invalid_api_key", 401)
    assert app.store.calls == []


async def test_an_upload_counts_against_the_keys_requests() -> None:
    async with uploads_app() as app:
        secret = await app.world.open(account_id="a2", requests_per_minute=2)
        statuses = [(await app.post(secret)).status_code for _ in range(2)]
        error = assert_error(await app.post(secret), "rate_limited", 429)
    assert (statuses, error["reason"]) == ([200, 200], "key_requests")
    assert len(app.store.calls) == 2


@pytest.mark.parametrize(
    ("request_", "code", "status", "param"),
    [
        ({"json": {}}, "missing_required_parameter", 400, "bytes"),
        ({"json": {"bytes": 1}}, "missing_required_parameter", 400, "content_type"),
        ({"json": {"bytes": 1, "content_type": "text/html"}}, None, 400, "content_type"),
        ({"json": {"bytes": 20 * 2**20 + 1, "content_type": "image/png"}}, "request_too_large", 413, "bytes"),
        ({"json": []}, None, 400, None),
        ({"content": b"{"}, None, 400, None),
        ({"content": b"x" * 20_000}, "request_too_large", 413, None),
        ({"content": PNG, "headers": {"content-type": "image/png"}}, "unsupported_media_type", 415, None),
    ],
)
async def test_what_is_wrong_is_told(
    request_: dict[str, Any], code: str | None, status: int, param: str | None
) -> None:
    async with uploads_app() as app:
        assert assert_error(await app.post(**request_), code, status)["param"] == param
    assert app.store.calls == []


async def test_when_the_store_is_down_a_program_may_retry() -> None:
    async with uploads_app() as app:
        app.store.down = True
        response = await app.post()
    assert_error(response, "storage_unavailable", 503)
    assert (response.headers["retry-after"], response.headers["x-should-retry"]) == ("1", "true")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_other_methods_are_405(method: str) -> None:
    async with uploads_app() as app:
        response = await app.http.request(method, "/v1/uploads")
    assert_error(response, "method_not_allowed", 405)
    assert response.headers["allow"] == "POST"
