"""Reading multipart forms: in any pieces and any order, bounded, and refused in our shape when they are broken."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from multiconnection.errors import GatewayError, MediaTypeUnsupported, RequestInvalid, RequestTooLarge
from multiconnection.web.forms import NAME_CHARS_MAX, PARTS_MAX, TEXT_BYTES_MAX, Form, FormFile, read_form

pytestmark = pytest.mark.virtual_time


BYTES_MAX = 4 * 1024 * 1024
TYPE = "multipart/form-data; boundary=edge"


def part(name: str, data: bytes, more: str = "") -> bytes:
    return f'--edge\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + data + b"\r\n"


def file_part(name: str, data: bytes, filename: str = "a.mp3", content_type: str = "audio/mpeg") -> bytes:
    return part(name, data, f'; filename="{filename}"\r\nContent-Type: {content_type}')


def form_of(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--edge--\r\n"


async def read(
    body: bytes, content_type: str = TYPE, pieces: int = 1 << 20, bytes_max: int = BYTES_MAX, **headers: str
) -> Form:
    cut = [body[at : at + pieces] for at in range(0, len(body), pieces)]
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in cut]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        return messages.pop(0)

    given = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    return await read_form(Request({"type": "http", "method": "POST", "headers": raw}, receive), bytes_max)


async def refused(body: bytes, **more: str | int) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await read(body, **more)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("pieces", [1, 2, 7, 1 << 20])
async def test_fields_and_files_in_any_order_and_any_pieces(pieces: int) -> None:
    sound = bytes(range(256)) * 3 + b"\r\n--edg\r\n-"
    form = await read(
        form_of(
            file_part("file", sound),
            part("model", b"whisper-1"),
            part("timestamp_granularities[]", b"word"),
            part("timestamp_granularities[]", b"segment"),
            part("prompt", "größe 🎉".encode()),
        ),
        pieces=pieces,
    )
    assert form.files == {"file": [FormFile("a.mp3", "audio/mpeg", sound)]}
    assert list(form.fields) == ["model", "timestamp_granularities", "prompt"]
    assert form.fields["timestamp_granularities"] == ["word", "segment"]
    assert form.arrays == {"timestamp_granularities"}
    assert (form.text("prompt"), form.text("absent")) == ("größe 🎉", None)


async def test_several_files_under_one_name_keep_their_order() -> None:
    form = await read(form_of(file_part("image[]", b"one"), file_part("image[]", b"two"), file_part("image", b"three")))
    assert [file.data for file in form.files["image"]] == [b"one", b"two", b"three"]


async def test_a_field_that_comes_twice_is_the_later_one() -> None:
    assert (await read(form_of(part("model", b"a"), part("model", b"b")))).text("model") == "b"


@pytest.mark.parametrize(
    "more", ["; filename*=UTF-8''%e2%82%ac.mp3", '; filename="', '; filename=""', '; filename="..\\..\\x"']
)
async def test_odd_file_names_are_still_files(more: str) -> None:
    form = await read(form_of(part("file", b"\xff\xfe", more)))
    assert [file.data for file in form.files["file"]] == [b"\xff\xfe"]
    assert form.files["file"][0].content_type == "application/octet-stream"


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data; charset=utf-8; boundary=edge", 'Multipart/Form-Data; Boundary="edge"']
)
async def test_content_types_as_clients_write_them(content_type: str) -> None:
    assert (await read(form_of(part("a", b"1")), content_type)).fields == {"a": ["1"]}


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "text/plain", "multipart/mixed; boundary=edge", "application/x-www-form-urlencoded"],
)
async def test_another_media_type_is_415(content_type: str) -> None:
    assert isinstance(await refused(form_of(), content_type=content_type), MediaTypeUnsupported)
    assert isinstance(await refused(form_of(), content_encoding="gzip"), MediaTypeUnsupported)


@pytest.mark.parametrize("boundary", ["", "; boundary=", f"; boundary={'x' * 201}", "; boundary=other"])
async def test_a_bad_boundary_is_400(boundary: str) -> None:
    error = await refused(form_of(part("a", b"1")), content_type=f"multipart/form-data{boundary}")
    assert isinstance(error, RequestInvalid)


WHOLE = form_of(part("model", b"whisper-1"), file_part("file", b"sound" * 10))


@pytest.mark.parametrize("cut", [0, 1, 10, 60, 100, len(WHOLE) - 6, len(WHOLE) - 4])
async def test_a_form_without_its_end_is_400(cut: int) -> None:
    assert isinstance(await refused(WHOLE[:cut]), RequestInvalid)


@pytest.mark.parametrize(
    "body",
    [
        b"hello",
        b"--edge\r\nnonsense\r\n\r\n1\r\n--edge--\r\n",
        form_of(b"--edge\r\nContent-Disposition: form-data\r\n\r\n1\r\n"),
        form_of(b"--edge\r\n\r\n1\r\n"),
        form_of(part("", b"1")),
        form_of(part("a", b"\xff\xfe")),
        form_of(part("x" * (NAME_CHARS_MAX + 1), b"1")),
        form_of(part("a", b"1", "; x=" + "y" * 5000)),
        form_of(part("a", b"1", "\r\nx-header: 1" * 20)),
        form_of(*[part("a", b"1")] * (PARTS_MAX + 1)),
        form_of(part("prompt", b"x" * (TEXT_BYTES_MAX + 1))),
    ],
)
async def test_a_broken_form_is_400(body: bytes) -> None:
    error = await refused(body)
    assert (error.http_status, error.body()["error"]["type"]) == (400, "invalid_request_error")  # type: ignore[index]


async def test_a_text_that_is_none_names_its_field() -> None:
    assert (await refused(form_of(part("prompt", b"\xff")))).param == "prompt"


async def test_too_large_is_413_with_the_way_out() -> None:
    body = form_of(file_part("file", bytes(1000)))
    for sent, declared in ((body, "0"), (form_of(), "2000")):
        error = await refused(sent, bytes_max=500, content_length=declared)
        assert isinstance(error, RequestTooLarge)
        assert "/v1/uploads" in error.message
    assert (await read(body, bytes_max=len(body))).files["file"][0].data == bytes(1000)


@given(st.binary(max_size=2000), st.integers(1, 64))
async def test_random_bytes_are_a_form_or_an_error_of_ours(body: bytes, pieces: int) -> None:
    for whole in (body, b"--edge\r\n" + body, WHOLE[:70] + body + b"\r\n--edge--"):
        with suppress(GatewayError):
            await read(whole, pieces=pieces)


@given(
    st.lists(st.tuples(st.text("abc_", min_size=1, max_size=8), st.text(max_size=40)), max_size=8), st.integers(1, 50)
)
async def test_what_is_written_is_what_is_read(fields: Sequence[tuple[str, str]], pieces: int) -> None:
    fields = [(name, text.encode("utf-8", "replace").decode()) for name, text in fields]
    form = await read(form_of(*(part(name, text.encode()) for name, text in fields)), pieces=pieces)
    assert sorted((name, text) for name, texts in form.fields.items() for text in texts) == sorted(fields)
