"""Forms that we write: what goes in comes out at a reader, whatever is in it."""

from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from multiconnection.providers.http import FilePart, form_data
from multiconnection.web.forms import Form, FormFile, FormParts


def read(body: bytes, content_type: str) -> Form:
    media_type, _, boundary = content_type.partition("; boundary=")
    assert media_type == "multipart/form-data"
    parts = FormParts(boundary.encode())
    parts.feed(body)
    return parts.form()


def test_fields_come_before_files_and_keep_their_order() -> None:
    sound = bytes(range(256)) + b"\r\n--\r\n"
    fields = [("model", "m"), ("list[]", "a"), ("list[]", "b"), ("text", "größe\r\n--x")]
    body, content_type = form_data(fields, [FilePart("file", "audio.wav", "audio/wav", sound)])
    assert read(body, content_type) == Form(
        {"model": ["m"], "list": ["a", "b"], "text": ["größe\r\n--x"]},
        {"file": [FormFile("audio.wav", "audio/wav", sound)]},
        frozenset({"list"}),
    )
    message: Any = BytesParser(policy=HTTP).parsebytes(b"content-type: " + content_type.encode() + b"\r\n\r\n" + body)
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain"] * 4 + ["audio/wav"]


def test_a_name_cannot_end_its_header() -> None:
    evil = 'x"\r\nContent-Type: text/html\r\n\r\n"; filename="y'
    body, content_type = form_data([("file", "1")], [FilePart("file", evil, "audio/wav", b"2")])
    assert read(body, content_type).files["file"][0].filename.startswith("x%22%0D%0AContent-Type: text/html")
    body, content_type = form_data([(evil, "1")], [])
    assert list(read(body, content_type).fields) == ["x%22%0D%0AContent-Type: text/html%0D%0A%0D%0A%22; filename=%22y"]


@given(st.lists(st.tuples(st.text("abc_", min_size=1), st.text()), max_size=5), st.binary(max_size=500))
def test_whatever_is_in_it(fields: list[tuple[str, str]], data: bytes) -> None:
    form = read(*form_data(fields, [FilePart("file", "a", "audio/wav", data)]))
    assert form.files["file"][0].data == data
    got = [(name, text) for name, texts in form.fields.items() for text in texts]
    assert sorted(got) == sorted((name, text.encode("utf-8", "replace").decode()) for name, text in fields)
