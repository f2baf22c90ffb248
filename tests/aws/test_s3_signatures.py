"""Our signatures and URLs for S3 against those of boto3's own client, byte for byte."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import boto3
import pytest
from aiodynamo.credentials import Key, StaticCredentials
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from multiconnection.aws.s3 import S3Objects
from multiconnection.aws.sigv4 import CONTENT_HASH, Signer, sha256_hex

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET, SECRET = "payload-bucket", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
BODY, PNG = b"\x89PNG\x00\xff", "image/png"
KEYS = ["uploads/acct_1/upl_0123456789abcdefghijkl", "results/a/0/1.png", "odd/ +&=%2F~é/../.", "a//b"]
PLACES = [("eu-west-1", None), ("cn-north-1", None), ("us-east-1", "http://127.0.0.1:4566")]


@pytest.fixture(params=PLACES, ids=lambda place: str(place[0]))
def place(request: pytest.FixtureRequest) -> tuple[str, str | None]:
    found: tuple[str, str | None] = request.param
    return found


@pytest.fixture(params=[None, "session-token+/=="], ids=["user", "role"])
def token(request: pytest.FixtureRequest) -> str | None:
    found: str | None = request.param
    return found


@cache
def client(place: tuple[str, str | None], token: str | None) -> "S3Client":
    region, endpoint_url = place
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if endpoint_url else "virtual"},
        request_checksum_calculation="when_required",
    )
    session = boto3.Session("AKIDEXAMPLE", SECRET, token, region_name=region)
    return session.client("s3", endpoint_url=endpoint_url, config=config)


def signer(place: tuple[str, str | None]) -> Signer:
    return Signer("s3", place[0])


def key_of(token: str | None) -> Key:
    return Key("AKIDEXAMPLE", SECRET, token)


def when(timestamp: str) -> datetime:
    return datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def prepared(s3: "S3Client", operation: str, key: str) -> AWSPreparedRequest:
    """What boto3 would have sent."""
    sent: list[AWSPreparedRequest] = []

    def keep(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), _Empty())

    # The stubs know no handler that answers.
    handler: Any = keep
    s3.meta.events.register("before-send.s3", handler)
    more: dict[str, Any] = {"Body": BODY, "ContentType": PNG} if operation == "put_object" else {}
    getattr(s3, operation)(Bucket=BUCKET, Key=key, **more)
    s3.meta.events.unregister("before-send.s3", handler)
    return sent[0]


class _Empty:
    """The body of an answer that nobody sent."""

    def stream(self, **_: Any) -> list[bytes]:
        return []

    def read(self, *_: Any) -> bytes:
        return b""


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("operation", ["get_object", "put_object", "head_object"])
async def test_boto3_signs_the_same_headers_for_the_same_url(
    place: tuple[str, str | None], token: str | None, operation: str, key: str
) -> None:
    request = prepared(client(place, token), operation, key)
    theirs = {
        name.lower(): value if isinstance(value, str) else value.decode() for name, value in request.headers.items()
    }
    names = theirs["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    body = BODY if operation == "put_object" else b""
    assert theirs[CONTENT_HASH] in (sha256_hex(body), "UNSIGNED-PAYLOAD")
    given = {name: theirs[name] for name in names if name not in ("host", "x-amz-date", "x-amz-security-token")}
    ours = signer(place).headers(key_of(token), request.method, request.url, given, body, when(theirs["x-amz-date"]))
    assert ours["authorization"] == theirs["authorization"]
    assert await own_url(place, key) == request.url


@pytest.mark.parametrize("key", KEYS)
def test_boto3_presigns_the_same_get(place: tuple[str, str | None], token: str | None, key: str) -> None:
    theirs = client(place, token).generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key}, 3600)
    assert presigned_like(theirs, place, token, "GET", {}, 3600) == theirs


@pytest.mark.parametrize("key", KEYS)
def test_boto3_presigns_the_same_put_of_one_size_and_type(
    place: tuple[str, str | None], token: str | None, key: str
) -> None:
    more: dict[str, Any] = {"Bucket": BUCKET, "Key": key, "ContentLength": 12345, "ContentType": PNG}
    theirs = client(place, token).generate_presigned_url("put_object", more, 900)
    assert parse_qs(urlsplit(theirs).query)["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
    headers = {"content-length": "12345", "content-type": PNG}
    assert presigned_like(theirs, place, token, "PUT", headers, 900) == theirs


def presigned_like(
    theirs: str,
    place: tuple[str, str | None],
    token: str | None,
    method: str,
    headers: Mapping[str, str],
    expires_s: int,
) -> str:
    """Ours, of the same second."""
    parts = urlsplit(theirs)
    (timestamp,) = parse_qs(parts.query)["X-Amz-Date"]
    url = parts._replace(query="").geturl()
    return signer(place).presigned(key_of(token), method, url, headers, expires_s, when(timestamp))


async def own_url(place: tuple[str, str | None], key: str) -> str:
    """Where our own store looks for a key."""
    region, endpoint_url = place
    async with aiohttp.ClientSession() as session:
        credentials = StaticCredentials(Key("AKIDEXAMPLE", SECRET))
        store = S3Objects(session, credentials, BUCKET, region, endpoint_url)
        return (await store.presigned_get(key, 60)).partition("?")[0]


async def test_what_is_presigned_says_how_long_and_for_what() -> None:
    async with aiohttp.ClientSession() as session:
        store = S3Objects(session, StaticCredentials(Key("AKIDEXAMPLE", SECRET, "token")), BUCKET, "eu-west-1")
        url = await store.presigned_put("uploads/a/upl_x", 12, PNG, 900)
    query = parse_qs(urlsplit(url).query)
    assert urlsplit(url).netloc == f"{BUCKET}.s3.eu-west-1.amazonaws.com"
    assert query["X-Amz-Expires"] == ["900"]
    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
    assert query["X-Amz-Security-Token"] == ["token"]
    signed_s = when(query["X-Amz-Date"][0]).timestamp()
    assert abs(signed_s - datetime.now(UTC).timestamp()) < 60
