"""The request body: bounded with and without a declared length, JSON only, and never a crash."""

from collections.abc import AsyncIterator

import pytest

from tests.support.assertions import assert_error
from tests.support.chat_app import ChatApp
from tests.support.chat_world import ChatWorld

SMALL = {"BODY_BYTES_MAX": "1000"}
BODY = b'{"model":"m-1","messages":[{"role":"user","content":"hi"}]}'


def of_size(size: int) -> bytes:
    return BODY[:-1] + b" " * (size - len(BODY)) + b"}"


async def pieces(body: bytes, of: int = 100) -> AsyncIterator[bytes]:
    for start in range(0, len(body), of):
        yield body[start : start + of]


@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
@pytest.mark.parametrize(("size", "status"), [(1000, 200), (1001, 413), (100_000, 413)])
async def test_a_body_has_a_limit(declared: bool, size: int, status: int) -> None:
    async with ChatApp(ChatWorld(environment=SMALL)) as app:
        response = await app.post(of_size(size) if declared else pieces(of_size(size)))
    assert response.status_code == status
    if status == 413:
        error = assert_error(response, "request_too_large", 413)
        assert "/v1/uploads" in error["message"]
        assert app.world.upstream.calls == []


async def test_a_declared_length_is_believed_when_it_is_too_much() -> None:
    async with ChatApp(ChatWorld(environment=SMALL)) as app:
        request = app.http.build_request(
            "POST",
            "/v1/chat/completions",
            content=BODY,
            headers={"authorization": f"Bearer {app.secret}", "content-length": "1001"},
        )
        assert_error(await app.http.send(request), "request_too_large", 413)


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "", "9" * 30])
async def test_a_length_that_is_none_does_not_open_the_door(length: str) -> None:
    async with ChatApp(ChatWorld(environment=SMALL)) as app:
        response = await app.http.post(
            "/v1/chat/completions",
            content=pieces(of_size(5000)),
            headers={"authorization": f"Bearer {app.secret}", "content-length": length},
        )
    assert_error(response, "request_too_large", 413)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/vnd.api+json",
        " application/json ;x=y",
    ],
)
async def test_json_under_any_of_its_names_is_read(media_type: str) -> None:
    async with ChatApp(ChatWorld()) as app:
        assert (await app.post(BODY, content_type=media_type)).status_code == 200


async def test_a_body_without_a_type_is_taken_for_json() -> None:
    async with ChatApp(ChatWorld()) as app:
        response = await app.http.post(
            "/v1/chat/completions", content=BODY, headers={"authorization": f"Bearer {app.secret}"}
        )
    assert response.status_code == 200


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json", ""]
)
async def test_other_types_are_415(media_type: str) -> None:
    async with ChatApp(ChatWorld()) as app:
        error = assert_error(await app.post(BODY, content_type=media_type), "unsupported_media_type", 415)
    assert repr(media_type.partition(";")[0]) in error["message"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "GZIP"])
async def test_a_compressed_body_is_not_unpacked(encoding: str) -> None:
    async with ChatApp(ChatWorld()) as app:
        assert_error(await app.post(BODY, content_encoding=encoding), "unsupported_media_type", 415)
        assert (await app.post(BODY, content_encoding="identity")).status_code == 200


HOSTILE = [
    b"",
    b"{",
    b"hi",
    b"[1,]",
    b'{"model":NaN}',
    b'{"n":1e400}',
    b"\xff\xfe",
    b'{"model":"\xed\xa0\x80"}',
    b'{"model":"\\ud800"}',
    b"\xef\xbb\xbf{}",
    b"[" * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    b"\x00",
]


@pytest.mark.parametrize("raw", HOSTILE, ids=lambda raw: repr(raw[:20]))
async def test_what_is_no_json_is_400(raw: bytes) -> None:
    async with ChatApp(ChatWorld()) as app:
        error = assert_error(await app.post(raw), None, 400)
    assert "could not parse the JSON" in error["message"]


@pytest.mark.parametrize("raw", [b"null", b"[]", b'"hi"', b"5", b"true"])
async def test_json_that_is_no_object_is_400(raw: bytes) -> None:
    async with ChatApp(ChatWorld()) as app:
        error = assert_error(await app.post(raw), None, 400)
    assert "must be a JSON object" in error["message"]


async def test_json_that_is_nested_too_deeply_is_400() -> None:
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    async with ChatApp(ChatWorld()) as app:
        error = assert_error(await app.post(BODY[:-1] + b',"unknown":' + deep + b"}"), None, 400)
    assert "nested too deeply" in error["message"]


async def test_a_body_of_almost_six_megabytes_is_read_whole() -> None:
    long = b'{"model":"m-1","messages":[{"role":"user","content":"' + b"x" * (6 * 1024 * 1024 - 100) + b'"}]}'
    async with ChatApp(ChatWorld()) as app:
        assert_error(await app.post(long), "context_length_exceeded", 400)
        assert_error(await app.post(long + b" " * 100), "request_too_large", 413)
