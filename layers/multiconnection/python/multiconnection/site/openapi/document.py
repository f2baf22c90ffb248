"""The OpenAPI 3.1 document of the whole API, from operations and schemas."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson

from .account import ACCOUNT
from .operation import EVENTS, JSON, Audience, Operation
from .schemas import ALL, expanded

OPERATIONS = ACCOUNT
DESCRIPTION = (
    "An OpenAI-compatible gateway with prepaid billing. `/v1` takes an API key; `/api` is the console's own API: it "
    "takes the session cookie and, for anything but GET, the header `x-mc-csrf: 1`."
)
_CSRF = {"name": "x-mc-csrf", "in": "header", "required": True, "schema": {"const": "1"}}
_SECURITY: dict[Audience, list[dict[str, list[str]]]] = {
    "api_key": [{"apiKey": []}, {"apiKeyHeader": []}],
    "public": [],
    "session": [{"session": []}],
    "admin": [{"session": []}],
}
_ALWAYS: dict[Audience, tuple[int, ...]] = {
    "api_key": (401, 403, 429, 500, 503),
    "public": (500, 503),
    "session": (401, 429, 500, 503),
    "admin": (401, 403, 429, 500, 503),
}


@lru_cache(maxsize=8)
def openapi_document(server: str) -> bytes:
    """As JSON; `server` is what stands before /v1, without a slash at the end."""
    return orjson.dumps(document(server))


def document(server: str) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "MultiConnection", "version": "1", "description": DESCRIPTION},
        "servers": [{"url": server or "/"}],
        "paths": paths,
        "components": {
            "schemas": {name: expanded(fields) for name, fields in ALL.items()},
            "securitySchemes": {
                "apiKey": {"type": "http", "scheme": "bearer", "description": "sk-live-…"},
                "apiKeyHeader": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-mc_id"},
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.operation_id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": _SECURITY[operation.audience],
        "responses": _responses(operation),
    }
    if parameters := _parameters(operation):
        described["parameters"] = parameters
    if operation.body:
        content = {operation.body_media: {"schema": _ref(operation.body)}}
        if operation.json_body:
            content[JSON] = {"schema": _ref(operation.json_body)}
        described["requestBody"] = {"required": operation.body_required, "content": content}
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]
    in_query = [
        {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}
        for name, meaning in operation.query.items()
    ]
    return [*in_path, *in_query, *([dict(_CSRF)] if operation.is_unsafe else [])]


def _of_a_request(operation: Operation) -> Iterator[int]:
    if operation.query:
        yield 400
    if operation.body:
        yield from (413, 415)
    if operation.is_unsafe:
        yield 403


def _responses(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if operation.answer:
        content[JSON] = {"schema": _ref(operation.answer)}
    for media in operation.media:
        binary = not media.startswith("text/") or media == EVENTS
        content[media] = {"schema": {"type": "string", "format": "binary"} if binary else {"type": "string"}}
    done: dict[str, Any] = {"description": operation.summary}
    if content:
        done["content"] = content
    statuses = sorted({*operation.errors, *_ALWAYS[operation.audience], *_of_a_request(operation)})
    failed = {"description": "Refused or failed", "content": {JSON: {"schema": _ref("Error")}}}
    return {str(operation.status): done, **{str(status): failed for status in statuses}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
