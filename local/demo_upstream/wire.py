"""HTTP as every endpoint sees it: bodies, fields and forms that come in, canned answers and events that go out."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Any

import orjson

Scope = dict[str, Any]
Json = dict[str, Any]
AsgiMessage = dict[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
Send = Callable[[AsgiMessage], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON = b"application/json"
DONE = b"data: [DONE]\n\n"
# A provider's own limits, which the gateway must not hand on to its callers.
PROVIDER_HEADERS: Headers = [
    (b"openai-version", b"2020-10-01"),
    (b"x-request-id", b"req_demo_upstream"),
    (b"x-ratelimit-limit-requests", b"10000"),
    (b"x-ratelimit-remaining-requests", b"9999"),
]
# Shorter pauses ignore the client: waiting for two things at once costs half as much CPU again.
SHORT_MS = 50
FORM_PARTS_MAX = 200


class BadRequest(Exception):
    """A mistake of the caller, answered with 400 in OpenAI's shape."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class ClientGone(Exception):
    """The client closed its connection before the end of the answer."""


@dataclass(frozen=True, slots=True)
class Canned:
    """A whole HTTP answer."""

    status: int
    headers: Headers
    body: bytes


def canned(status: int, body: bytes, kind: bytes = JSON, *extra: tuple[bytes, bytes]) -> Canned:
    """An answer with its length and type."""
    return Canned(status, [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *extra], body)


def error_object(message: str, kind: str, param: str | None = None, code: str | None = None) -> Json:
    """OpenAI's error body."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def refused(status: int, message: str, param: str | None = None, code: str | None = None) -> Canned:
    """An answer to a mistake of the caller."""
    return canned(status, orjson.dumps(error_object(message, "invalid_request_error", param, code)))


SERVER_ERROR = error_object("The server had an error while processing your request. Sorry about that!", "server_error")
_RATE_LIMIT = error_object(
    "Rate limit reached for requests. Please try again in 1s.", "requests", None, "rate_limit_exceeded"
)
_HTML = (
    b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
)
CANNED: dict[str, Canned] = {
    "error-500": canned(500, orjson.dumps(SERVER_ERROR)),
    "error-429": canned(429, orjson.dumps(_RATE_LIMIT), JSON, (b"retry-after", b"1")),
    "error-400": refused(
        400, "Unsupported value: 'temperature' does not support 3 with this model.", "temperature", "unsupported_value"
    ),
    "error-401": refused(401, "Incorrect API key provided: sk-demo****0000.", None, "invalid_api_key"),
    "error-html": canned(502, _HTML, b"text/html; charset=utf-8"),
    "error-200": canned(200, orjson.dumps(SERVER_ERROR)),
}


def error_event(error: Mapping[str, Any]) -> bytes:
    """An error in the middle of a stream of completions."""
    return b"data: " + orjson.dumps(error) + b"\n\n"


def named_event(name: str, data: Mapping[str, Any]) -> bytes:
    """An event that states its type twice, as in all streams but those of completions."""
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps({"type": name, **data}) + b"\n\n"


class Exchange:
    """Reads the body of a request, writes the answer, and notices a client that leaves while the answer waits."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._watch: asyncio.Future[AsgiMessage] | None = None

    async def body(self) -> bytes:
        """The whole body of the request."""
        parts: list[bytes] = []
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def respond(self, answer: Canned) -> None:
        """Send a whole answer."""
        await self.start(answer.status, answer.headers)
        await self._send({"type": "http.response.body", "body": answer.body})

    async def start(self, status: int, headers: Headers) -> None:
        """Send status and headers."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers + PROVIDER_HEADERS})

    async def write(self, data: bytes) -> None:
        """Send a part of the body. The server drops the connection if nothing calls `end` afterwards."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """End the body properly."""
        await self._send({"type": "http.response.body", "body": b""})

    async def pause(self, delay_ms: int | None) -> None:
        """Wait, for ever if `delay_ms` is None. Raises ClientGone as soon as the client leaves."""
        if delay_ms == 0:
            return
        if self._watch is None:
            self._watch = asyncio.ensure_future(self._receive())
        if delay_ms is not None and delay_ms < SHORT_MS:
            await asyncio.sleep(delay_ms / 1000)
        else:
            await asyncio.wait((self._watch,), timeout=None if delay_ms is None else delay_ms / 1000)
        if self._watch.done():
            raise ClientGone

    def close(self) -> None:
        """Stop watching the client."""
        if self._watch is not None:
            self._watch.cancel()


@dataclass(frozen=True, slots=True)
class Demo:
    """The `demo` object of a request; None where the model's own behaviour decides."""

    chunks: int | None = None
    delay_ms: int | None = None
    first_delay_ms: int | None = None
    fail_after_chunks: int | None = None
    text: str | None = None
    usage: dict[str, Any] | None = None


NO_DEMO = Demo()


def demo_of(demo: object) -> Demo:
    """Raises BadRequest."""
    if demo is None:
        return NO_DEMO
    if not isinstance(demo, dict):
        raise BadRequest("Invalid 'demo': expected an object.", "demo", "invalid_type")
    text, usage = demo.get("text"), demo.get("usage")
    return Demo(
        chunks=count_of(demo, "chunks", "demo."),
        delay_ms=count_of(demo, "delay_ms", "demo."),
        first_delay_ms=count_of(demo, "first_delay_ms", "demo."),
        fail_after_chunks=count_of(demo, "fail_after_chunks", "demo."),
        text=text if isinstance(text, str) else None,
        usage=usage if isinstance(usage, dict) else None,
    )


def json_object(raw: bytes) -> Json:
    """Raises BadRequest for anything else than a JSON object."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise BadRequest(f"We could not parse the JSON body of your request. ({exc})") from exc
    if not isinstance(body, dict):
        raise BadRequest("The JSON body of your request is not an object.")
    return body


def count_of(body: Mapping[str, Any], name: str, prefix: str = "") -> int | None:
    """An integer of 0 or more, or None if the field is missing. Raises BadRequest."""
    value = body.get(name)
    if value is None:
        return None
    if type(value) is not int or value < 0:
        raise BadRequest(f"Invalid '{prefix}{name}': expected an integer >= 0.", prefix + name, "invalid_type")
    return value


class Fields:
    """The fields of a JSON body or a form, read with OpenAI's refusals: all methods but `get` raise BadRequest.

    In a form all values are texts, and `name[]` is kept as a list under `name`.
    """

    def __init__(self, values: Json, *, form: bool = False) -> None:
        self.values = values
        self._form = form

    def get(self, name: str) -> Any:
        """The value as it came; None if it is missing or null."""
        return self.values.get(name)

    def text(self, name: str) -> str | None:
        value = self.get(name)
        if value is not None and not isinstance(value, str):
            raise BadRequest(f"Invalid type for '{name}': expected a string.", name, "invalid_type")
        return value

    def required_text(self, name: str) -> str:
        """A string that is there and not empty."""
        value = self.text(name)
        if value is None:
            raise missing(name)
        if not value:
            raise BadRequest(f"Invalid '{name}': empty string.", name, "empty_string")
        return value

    def choice(self, name: str, allowed: Collection[str], default: str) -> str:
        """One of the allowed words."""
        value = self.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or value not in allowed:
            words = ", ".join(repr(word) for word in allowed)
            raise BadRequest(f"Invalid value: {value!r}. Supported values are: {words}.", name, "invalid_value")
        return value

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        value = self.get(name)
        if self._form and isinstance(value, str) and value.strip("-").isdecimal():
            value = int(value)
        if value is None:
            return default
        if type(value) is not int:
            raise BadRequest(f"Invalid type for '{name}': expected an integer.", name, "invalid_type")
        if not least <= value <= most:
            raise _out_of_range(name, least, most)
        return value

    def number(self, name: str, default: float, least: float, most: float) -> float:
        value = self.get(name)
        if value is None:
            return default
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise BadRequest(f"Invalid type for '{name}': expected a number.", name, "invalid_type")
        if not least <= value <= most:
            raise _out_of_range(name, least, most)
        return value

    def flag(self, name: str) -> bool:
        """True only where the request says so."""
        value = self.get(name)
        return value is True or (self._form and value in ("true", "True", "1"))

    def words(self, name: str) -> list[str]:
        """A list of strings; a single one counts as a list of one."""
        value = self.get(name)
        found = value if isinstance(value, list) else [] if value is None else [value]
        return [word for word in found if isinstance(word, str)]


def missing(name: str) -> BadRequest:
    return BadRequest(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def unknown(name: str) -> BadRequest:
    return BadRequest(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def _out_of_range(name: str, least: float, most: float) -> BadRequest:
    return BadRequest(f"Invalid '{name}': expected {least} to {most}.", name, "integer_out_of_range")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form."""

    name: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """Texts and files by name; `name[]` is kept as a list under `name`."""

    fields: Json = field(default_factory=dict)
    files: dict[str, list[Upload]] = field(default_factory=dict)

    def add(self, name: str, part: Upload | str) -> None:
        plain = name.removesuffix("[]")
        if isinstance(part, Upload):
            self.files.setdefault(plain, []).append(part)
        elif plain != name:
            self.fields.setdefault(plain, []).append(part)
        else:
            self.fields[name] = part


_PART_HEADERS = BytesHeaderParser()


def parse_form(content_type: str, body: bytes) -> Form:
    """Read multipart/form-data, in any order of parts. Raises BadRequest for anything else."""
    header = Message()
    header["content-type"] = content_type
    boundary = _text(header.get_param("boundary"))
    if not boundary:
        raise BadRequest("Could not parse multipart form: no boundary.")
    _preamble, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if not parts or not parts.pop().startswith(b"--") or len(parts) > FORM_PARTS_MAX:
        raise BadRequest("Could not parse multipart form: no proper end.")
    form = Form()
    for part in parts:
        _read_part(part, form)
    return form


def _read_part(part: bytes, form: Form) -> None:
    head, found, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = _PART_HEADERS.parsebytes(head)
    name = _text(headers.get_param("name", header="content-disposition"))
    if not found or not name:
        raise BadRequest("Could not parse multipart form: a part has no name.")
    filename = headers.get_filename()
    if filename is not None:
        form.add(name, Upload(filename, headers.get_content_type(), data))
        return
    try:
        form.add(name, data.decode())
    except UnicodeDecodeError as exc:
        raise BadRequest(f"Could not parse multipart form: '{name}' is not text.", name) from exc


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
