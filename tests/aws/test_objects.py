"""The payload bucket's client against an S3 that answers as it is told: what is repeated, and what is missing."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiodynamo.credentials import Credentials, Key
from aiodynamo.http.types import HttpImplementation
from aiohttp import web

from multiconnection.aws.s3 import (
    ATTEMPTS_MAX,
    PayloadMissing,
    PayloadStoreError,
    PayloadTooLarge,
    S3Objects,
    StoredObject,
)

KEY = "uploads/acct_1/upl_1"
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Told:
    """One answer; status 0 drops the connection, `cut` bytes of the promised body never come."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0


def error(status: int, code: str) -> Told:
    return Told(status, f"<?xml version='1.0'?><Error><Code>{code}</Code><Key>x</Key></Error>".encode())


@dataclass
class S3:
    answers: list[Told] = field(default_factory=list)
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.raw_path, await request.read()))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        told = self.answers.pop(0)
        response = web.StreamResponse(status=told.status or 200, headers=told.headers)
        if not told.status:
            assert request.transport is not None
            request.transport.abort()
            return response
        response.content_length = len(told.body)
        await response.prepare(request)
        if request.method != "HEAD":
            await response.write(told.body[: len(told.body) - told.cut])
        if told.cut:
            assert request.transport is not None
            request.transport.close()
        return response


class Renewable(Credentials):
    """Another key after each invalidation; none at all when `ids` is used up."""

    def __init__(self, *ids: str) -> None:
        self.ids = list(ids)

    async def get_key(self, http: HttpImplementation) -> Key | None:
        return Key(self.ids[0], "secret", "token") if self.ids else None

    def invalidate(self) -> bool:
        self.ids.pop(0)
        return True

    def is_disabled(self) -> bool:
        return False


@dataclass
class World:
    s3: S3
    store: S3Objects
    credentials: Renewable

    def tell(self, *answers: Told) -> None:
        self.s3.answers[:] = answers

    @property
    def methods(self) -> list[str]:
        return [method for method, _, _ in self.s3.asked]


@asynccontextmanager
async def a_world() -> AsyncIterator[World]:
    s3, credentials = S3(), Renewable("AKIDONE", "AKIDTWO")
    app = web.Application(client_max_size=64 * MEGABYTE)
    app.router.add_route("*", "/{tail:.*}", s3.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession() as session:
            yield World(
                s3, S3Objects(session, credentials, "bucket", "eu-west-1", f"http://{host}:{port}/"), credentials
            )
    finally:
        await runner.cleanup()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as made:
        yield made


# --- what is sent


async def test_a_put_carries_bytes_type_hash_and_signature(world: World) -> None:
    body = bytes(range(256)) * 8 * 1024
    world.tell(Told())
    await world.store.put("results/a/ü .png", body, "image/png")
    assert world.s3.asked == [("PUT", "/bucket/results/a/%C3%BC%20.png", body)]
    [headers] = world.s3.headers
    assert (headers["content-type"], headers["content-length"]) == ("image/png", str(len(body)))
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDONE/")
    assert "/eu-west-1/s3/aws4_request" in headers["authorization"]
    assert headers["x-amz-security-token"] == "token"
    assert len(headers["x-amz-content-sha256"]) == 64


@pytest.mark.parametrize("key", ["a/../b", "a/./b", "a//b", "../secret"])
async def test_a_key_is_never_tidied_up_on_its_way(world: World, key: str) -> None:
    world.tell(Told())
    await world.store.get(key, 1)
    assert world.s3.asked[0][1] == f"/bucket/{key}"


# --- what comes back


async def test_head_tells_size_and_type(world: World) -> None:
    world.tell(Told(200, b"x" * 12, {"content-type": "audio/wav"}))
    assert await world.store.head(KEY) == StoredObject(KEY, 12, "audio/wav")
    assert world.methods == ["HEAD"]


async def test_get_gives_the_bytes_up_to_a_limit(world: World) -> None:
    world.tell(Told(200, b"x" * 1000), Told(200, b"x" * 1001))
    assert await world.store.get(KEY, 1000) == b"x" * 1000
    with pytest.raises(PayloadTooLarge):
        await world.store.get(KEY, 1000)
    assert len(world.s3.asked) == 2


async def test_a_compressed_object_is_not_unpacked(world: World) -> None:
    packed = gzip.compress(b"\0" * 10 * MEGABYTE)
    world.tell(Told(200, packed, {"content-encoding": "gzip"}))
    assert await world.store.get(KEY, len(packed)) == packed


@pytest.mark.parametrize("why", [error(404, "NoSuchKey"), error(403, "AccessDenied")], ids=["listable", "as deployed"])
async def test_a_missing_object_is_missing_also_to_who_may_not_list(world: World, why: Told) -> None:
    world.tell(Told(why.status), *([why] if why.status == 403 else []))
    assert await world.store.head(KEY) is None
    world.tell(why)
    with pytest.raises(PayloadMissing):
        await world.store.get(KEY, 10)


async def test_a_missing_bucket_is_no_missing_object(world: World) -> None:
    world.tell(error(404, "NoSuchBucket"))
    with pytest.raises(PayloadStoreError, match="NoSuchBucket") as caught:
        await world.store.get(KEY, 10)
    assert not isinstance(caught.value, PayloadMissing)


async def test_a_refused_head_is_asked_why_and_the_size_comes_from_the_range(world: World) -> None:
    ranged = Told(206, b"x", {"content-range": "bytes 0-0/777", "content-type": "image/gif"})
    world.tell(Told(400), error(400, "ExpiredToken"), ranged)
    assert await world.store.head(KEY) == StoredObject(KEY, 777, "image/gif")
    assert world.methods == ["HEAD", "GET", "GET"]
    assert [headers.get("range") for headers in world.s3.headers] == [None, "bytes=0-0", "bytes=0-0"]
    assert "Credential=AKIDTWO/" in world.s3.headers[-1]["authorization"]


async def test_a_refusal_names_its_code(world: World) -> None:
    for told in (error(403, "RequestTimeTooSkewed"), error(400, "EntityTooLarge"), Told(301), Told(204)):
        world.tell(told)
        with pytest.raises(PayloadStoreError, match=f"PUT: HTTP {told.status}"):
            await world.store.put(KEY, b"x", "image/png")
    assert len(world.s3.asked) == 4


# --- what is repeated

LOST = Told(0)


@pytest.mark.parametrize(
    "first", [LOST, Told(500), error(503, "SlowDown"), Told(429)], ids=["lost", "500", "503", "429"]
)
async def test_what_failed_at_s3_is_asked_for_once_more(world: World, first: Told) -> None:
    for ask in (
        lambda: world.store.put(KEY, b"the same", "image/png"),
        lambda: world.store.head(KEY),
        lambda: world.store.get(KEY, 10),
    ):
        world.s3.asked.clear()
        world.tell(first, Told(200, b"x"))
        await ask()
        assert len(world.s3.asked) == 2
        assert world.s3.asked[0] == world.s3.asked[1]


async def test_it_is_given_up_after_the_last_attempt(world: World) -> None:
    world.tell(*[error(503, "SlowDown")] * 10)
    with pytest.raises(PayloadStoreError, match="PUT: HTTP 503 SlowDown"):
        await world.store.put(KEY, b"x", "image/png")
    assert len(world.s3.asked) == ATTEMPTS_MAX


async def test_a_connection_that_is_always_lost_is_given_up(world: World) -> None:
    world.tell(*[LOST] * 10)
    with pytest.raises(PayloadStoreError, match="PUT"):
        await world.store.put(KEY, b"x", "image/png")
    assert ATTEMPTS_MAX <= len(world.s3.asked) <= 2 * ATTEMPTS_MAX
    assert {body for _, _, body in world.s3.asked} == {b"x"}


async def test_half_a_body_is_no_body(world: World) -> None:
    world.tell(Told(200, b"x" * 1000, cut=500), Told(200, b"y" * 1000))
    assert await world.store.get(KEY, 1000) == b"y" * 1000


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"])
async def test_old_credentials_are_renewed(world: World, code: str) -> None:
    world.tell(error(400, code), Told())
    await world.store.put(KEY, b"x", "image/png")
    used = [headers["authorization"].partition("Credential=")[2][:7] for headers in world.s3.headers]
    assert used == ["AKIDONE", "AKIDTWO"]


async def test_without_credentials_nothing_is_asked(world: World) -> None:
    world.credentials.ids.clear()
    with pytest.raises(PayloadStoreError, match="no AWS credentials"):
        await world.store.get(KEY, 1)
    with pytest.raises(PayloadStoreError, match="no AWS credentials"):
        await world.store.presigned_get(KEY, 60)
    assert world.s3.asked == []


async def test_nobody_there_is_an_error_of_ours() -> None:
    async with a_world() as world:
        pass
    async with aiohttp.ClientSession() as session:
        store = S3Objects(
            session, Renewable("AKIDONE"), "bucket", "eu-west-1", world.store._base.removesuffix("/bucket")
        )
        with pytest.raises(PayloadStoreError, match="ClientConnectorError"):
            await store.head(KEY)
