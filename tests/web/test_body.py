"""The request body: bounded with and without a declared length, JSON only, and never a crash."""

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest

from multiconnection.web.json import NESTING_MAX
from tests.support.assertions import assert_error
from tests.support.chat_app import ChatApp
from tests.support.chat_world import IP, ChatWorld

pytestmark = pytest.mark.virtual_time


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


PATHS = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/audio/speech",
    "/v1/uploads",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("levels", [NESTING_MAX, 300, 1015])
async def test_an_unknown_field_that_is_nested_too_deeply_is_400_at_every_endpoint(path: str, levels: int) -> None:
    deep = b'{"model":"m-1","unknown":' + b"[" * levels + b"]" * levels + b"}"
    async with ChatApp(ChatWorld()) as app:
        response = await app.http.post(
            path, content=deep, headers={"authorization": f"Bearer {app.secret}", "content-type": "application/json"}
        )
    assert "200 levels deep" in assert_error(response, None, 400)["message"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_of_tiny_values_is_refused_unbuilt(path: str) -> None:
    many = b'{"model":"m-1","unknown":[' + b"[]," * 1_500_000 + b"1]}"
    async with ChatApp(ChatWorld()) as app:
        response = await app.http.post(
            path, content=many, headers={"authorization": f"Bearer {app.secret}", "content-type": "application/json"}
        )
    assert_error(response, "request_too_large", 413)


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        *((path, "application/json") for path in PATHS),
        ("/v1/audio/transcriptions", "multipart/form-data; boundary=x"),
        ("/v1/images/edits", "multipart/form-data; boundary=x"),
    ],
)
async def test_a_client_that_leaves_while_it_sends_is_no_failure_of_ours(
    path: str, media_type: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = b"--x\r\n" if "form-data" in media_type else b'{"model'
    begun_message: dict[str, Any] = {"type": "http.request", "body": begun, "more_body": True}
    messages = iter([begun_message, {"type": "http.disconnect"}])
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return next(messages)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async with ChatApp(ChatWorld()) as app:
        headers = [(b"authorization", f"Bearer {app.secret}".encode()), (b"content-type", media_type.encode())]
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": headers,
            "client": (IP, 1),
            "query_string": b"",
        }
        await app.app(scope, receive, send)
    lines = capsys.readouterr().err
    assert "unhandled" not in lines
    assert '"status":499' in lines
    assert '"Errors"' not in lines
    assert all(message.get("status", 499) == 499 for message in sent)


async def test_a_body_of_almost_six_megabytes_is_read_whole() -> None:
    long = b'{"model":"m-1","messages":[{"role":"user","content":"' + b"x" * (6 * 1024 * 1024 - 100) + b'"}]}'
    async with ChatApp(ChatWorld()) as app:
        assert_error(await app.post(long), "context_length_exceeded", 400)
        assert_error(await app.post(long + b" " * 100), "request_too_large", 413)
