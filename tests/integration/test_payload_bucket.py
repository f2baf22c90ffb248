"""One contract for the payload bucket of a real local S3 and for the fake that unit tests use instead of it."""

import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest
from aiodynamo.credentials import Key, StaticCredentials

from local.ministack import MiniStack
from local.resources import clients, create
from local.template import load
from multiconnection.aws.s3 import (
    PayloadMissing,
    PayloadStore,
    PayloadStoreError,
    PayloadTooLarge,
    S3Objects,
    StoredObject,
)
from multiconnection.bootstrap.base import SystemClock, SystemRng
from multiconnection.uploads.service import UploadConfig, UploadService
from tests.support.fake_objects import FakeObjects

ROOT = Path(__file__).parents[2]
EXECUTABLE = ROOT / ".tools" / "ministack" / "bin" / "ministack"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
# What the local AWS takes for its root user; it refuses presigned URLs of anyone it does not know.
CREDENTIALS = StaticCredentials(Key("test", "test"))
KEYS = ["uploads/acct_1/upl_0123456789abcdefghijkl", "results/a/0/1.png", "odd/ +&=%2F~é.png"]


@dataclass(frozen=True, slots=True)
class Bucket:
    """`http` is somebody without credentials."""

    store: PayloadStore
    http: httpx.AsyncClient

    async def send(self, url: str, body: bytes, content_type: str) -> int:
        return (await self.http.put(url, content=body, headers={"content-type": content_type})).status_code


@dataclass(frozen=True, slots=True)
class Local:
    endpoint_url: str
    bucket: str
    region: str


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    with MiniStack(EXECUTABLE, tmp_path_factory.mktemp("ministack")) as running:
        names = create(load(ROOT / "template.yaml"), clients(running.endpoint_url, running.region))
        yield Local(running.endpoint_url, names["PayloadBucket"], running.region)


@pytest.fixture(params=["memory", "ministack"])
async def bucket(request: pytest.FixtureRequest) -> AsyncIterator[Bucket]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            fake = FakeObjects()
            yield Bucket(fake, await stack.enter_async_context(fake.http()))
            return
        at: Local = request.getfixturevalue("local")
        session = await stack.enter_async_context(aiohttp.ClientSession())
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        yield Bucket(S3Objects(session, CREDENTIALS, at.bucket, at.region, at.endpoint_url), http)


@pytest.mark.parametrize("key", KEYS)
async def test_what_is_put_is_there_whole(bucket: Bucket, key: str) -> None:
    await bucket.store.put(key, PNG, "image/png")
    assert await bucket.store.head(key) == StoredObject(key, len(PNG), "image/png")
    assert await bucket.store.get(key, len(PNG)) == PNG


async def test_megabytes_pass(bucket: Bucket) -> None:
    body = bytes(range(256)) * 4096 * 20
    await bucket.store.put("large", body, "audio/wav")
    assert await bucket.store.get("large", len(body)) == body


async def test_putting_again_replaces(bucket: Bucket) -> None:
    await bucket.store.put("again", b"one", "image/png")
    await bucket.store.put("again", b"other", "image/gif")
    assert await bucket.store.head("again") == StoredObject("again", 5, "image/gif")


async def test_what_is_not_there_is_missing(bucket: Bucket) -> None:
    assert await bucket.store.head("nowhere/at/all") is None
    with pytest.raises(PayloadMissing):
        await bucket.store.get("nowhere/at/all", 10)


async def test_an_object_larger_than_the_reader_takes_is_refused(bucket: Bucket) -> None:
    await bucket.store.put("sized", b"x" * 11, "image/png")
    assert await bucket.store.get("sized", 11) == b"x" * 11
    with pytest.raises(PayloadTooLarge):
        await bucket.store.get("sized", 10)


@pytest.mark.parametrize("key", KEYS)
async def test_a_presigned_get_needs_no_credentials(bucket: Bucket, key: str) -> None:
    await bucket.store.put(key, PNG, "image/png")
    answer = await bucket.http.get(await bucket.store.presigned_get(key, 60))
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["content-type"] == "image/png"


@pytest.mark.parametrize("key", KEYS)
async def test_a_presigned_put_takes_the_promised_file(bucket: Bucket, key: str) -> None:
    url = await bucket.store.presigned_put(key, len(PNG), "image/webp", 60)
    assert await bucket.send(url, PNG, "image/webp") == 200
    assert await bucket.store.head(key) == StoredObject(key, len(PNG), "image/webp")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(PNG + b"x", "image/png"), (PNG[:-1], "image/png"), (b"", "image/png"), (PNG, "text/html"), (PNG, "image/gif")],
    ids=["longer", "shorter", "empty", "html", "other image"],
)
async def test_a_presigned_put_takes_nothing_else(bucket: Bucket, body: bytes, content_type: str) -> None:
    url = await bucket.store.presigned_put("promised", len(PNG), "image/png", 60)
    assert await bucket.send(url, body, content_type) == 403
    assert await bucket.store.head("promised") is None


async def test_a_presigned_url_is_for_one_method_and_one_key(bucket: Bucket) -> None:
    await bucket.store.put("mine", PNG, "image/png")
    await bucket.store.put("theirs", PNG, "image/png")
    get = await bucket.store.presigned_get("mine", 60)
    put = await bucket.store.presigned_put("mine", len(PNG), "image/png", 60)
    assert await bucket.send(get, PNG, "image/png") == 403
    assert (await bucket.http.get(put)).status_code == 403
    assert (await bucket.http.delete(get)).status_code == 403


# --- what only a real one can show


@pytest.fixture
async def real(local: Local) -> AsyncIterator[Bucket]:
    async with aiohttp.ClientSession() as session, httpx.AsyncClient(trust_env=False) as http:
        yield Bucket(S3Objects(session, CREDENTIALS, local.bucket, local.region, local.endpoint_url), http)


async def test_a_url_for_another_key_does_not_verify(real: Bucket) -> None:
    await real.store.put("theirs", PNG, "image/png")
    url = await real.store.presigned_get("mine", 60)
    assert (await real.http.get(url.replace("/mine?", "/theirs?"))).status_code == 403
    assert (await real.http.get(url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"))).status_code == 403


async def test_a_url_that_has_ended_is_refused(real: Bucket) -> None:
    await real.store.put("ended", PNG, "image/png")
    assert (await real.http.get(await real.store.presigned_get("ended", -1))).status_code == 403


async def test_a_bucket_that_does_not_exist_is_an_error_and_not_a_missing_object(local: Local) -> None:
    async with aiohttp.ClientSession() as session:
        store = S3Objects(session, CREDENTIALS, "no-such-bucket", local.region, local.endpoint_url)
        with pytest.raises(PayloadStoreError, match="NoSuchBucket"):
            await store.put("key", b"x", "image/png")
        with pytest.raises(PayloadStoreError, match="NoSuchBucket") as caught:
            await store.get("key", 1)
    assert not isinstance(caught.value, PayloadMissing)


async def test_an_upload_from_the_first_request_to_the_providers_eyes(real: Bucket) -> None:
    uploads = UploadService(real.store, SystemClock(), SystemRng(), UploadConfig())
    upload = await uploads.create("acct_1", {"bytes": len(PNG), "content_type": "image/png"})
    assert await real.send(upload.url, PNG, upload.content_type) == 200
    part = {"type": "image_url", "image_url": {"url": f"upload://{upload.id}"}}
    body = await uploads.resolve_image_parts("acct_1", {"messages": [{"role": "user", "content": [part]}]})
    url = body["messages"][0]["content"][0]["image_url"]["url"]
    # As any provider's plain HTTP client would, with nothing of ours.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as answer:
        assert answer.read() == PNG
    assert json.dumps(body).count("upload://") == 0
    assert urlsplit(url).path.endswith(f"/uploads/acct_1/{upload.id}")


async def test_a_stored_result_is_fetched_from_its_url(real: Bucket) -> None:
    uploads = UploadService(real.store, SystemClock(), SystemRng(), UploadConfig())
    url, expires_at = await uploads.store_result("acct_1", "1xV7cOexampl", 0, PNG, "image/png")
    answer = await real.http.get(url)
    assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
    assert abs(expires_at - SystemClock().now() - 3600) < 60
