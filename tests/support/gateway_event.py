"""The event of API Gateway's Lambda proxy integration for a REST API, as the streaming functions receive it."""

import base64
import json
from collections.abc import Mapping
from typing import Any

PATH = "/v1/chat/completions"
SOURCE_IP = "203.0.113.7"
STAGE = "prod"


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
    """`body` is JSON unless it is a text already; `encoded` sends it as base64, as for binary media types."""
    text = None if body is None else body if isinstance(body, str) else json.dumps(body)
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
        "body": base64.b64encode(text.encode()).decode() if encoded and text is not None else text,
        "isBase64Encoded": encoded,
    }


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
