"""The event of API Gateway's Lambda proxy integration for a REST API, as the streaming functions receive it."""

import base64
import json
from collections.abc import Mapping
from typing import Any

PATH = "/v1/chat/completions"
SOURCE_IP = "203.0.113.7"
STAGE = "prod"
BOUNDARY = "multiconnection-test"


def gateway_event(
    body: object = None,
    *,
    api_key: str | None = None,
    method: str = "POST",
    path: str = PATH,
    headers: Mapping[str, str] | None = None,
    source_ip: str = SOURCE_IP,
    encoded: bool = False,
) -> dict[str, Any]:
    """`body` is JSON unless it is text or bytes already; bytes go as base64, as do texts when `encoded` is set."""
    sent_body, in_base64 = _body(body, encoded)
    sent = {"Host": "api.example.com", "Content-Type": "application/json", "X-Forwarded-For": source_ip}
    if api_key is not None:
        sent["Authorization"] = f"Bearer {api_key}"
    sent |= headers or {}
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": _context(method, path, source_ip),
        "body": sent_body,
        "isBase64Encoded": in_base64,
    }


def form_event(fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]], **more: Any) -> dict[str, Any]:
    """A multipart form, which the template lists as a binary media type; a file is its name and its bytes."""
    texts: dict[str, tuple[str | None, bytes]] = {name: (None, value.encode()) for name, value in fields.items()}
    parts = b"".join(_part(name, filename, content) for name, (filename, content) in (texts | dict(files)).items())
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return gateway_event(parts + f"--{BOUNDARY}--\r\n".encode(), headers=headers, **more)


def _body(body: object, encoded: bool) -> tuple[str | None, bool]:
    if body is None:
        return None, encoded
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    if isinstance(text, str) and not encoded:
        return text, False
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode(), True


def _part(name: str, filename: str | None, content: bytes) -> bytes:
    named = f'; filename="{filename}"' if filename else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def _context(method: str, path: str, source_ip: str) -> dict[str, Any]:
    return {
        "accountId": "123456789012",
        "apiId": "abcdefghij",
        "domainName": "api.example.com",
        "domainPrefix": "api",
        "extendedRequestId": "EXAMPLE=",
        "httpMethod": method,
        "identity": {"sourceIp": source_ip, "userAgent": "OpenAI/Python"},
        "path": f"/{STAGE}{path}",
        "protocol": "HTTP/1.1",
        "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "requestTime": "22/Nov/2026:12:00:00 +0000",
        "requestTimeEpoch": 1_795_348_800_000,
        "resourceId": "abc123",
        "resourcePath": path,
        "stage": STAGE,
    }
