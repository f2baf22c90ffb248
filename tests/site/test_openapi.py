"""The OpenAPI document tells of every route there is, and only of what it defines."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.routing import Route

from local.template import load
from multiconnection.audio.schemas import SpeechBody
from multiconnection.catalog.schemas import PriceBody
from multiconnection.embeddings.schemas import EmbeddingsBody, ModerationsBody
from multiconnection.images.schemas import ImagesBody
from multiconnection.keys.schemas import KeyBody
from multiconnection.orders.schemas import OrderBody, ReceiptBody
from multiconnection.site.openapi.document import OPERATIONS, document, openapi_document
from multiconnection.site.pages import ERROR_ROWS
from multiconnection.uploads.schemas import UploadBody
from tests.support.errors import ALL
from tests.support.package import modules
from tests.support.site_app import site_client

TEMPLATE = load(Path(__file__).parents[2] / "template.yaml")
DOCUMENT = document("https://gateway.example")
CODES = {(kind.code, kind.status) for kind in ALL}
API = re.compile(r"/(?:v1|api)/")
# Whatever no other function serves: there is nothing to tell of.
FALLBACKS = {"/api/admin/{proxy+}", "/v1/{proxy+}", "/api/{proxy+}"}


def shape(path: str) -> str:
    """What a parameter is called, and whether it is greedy, is not part of a route."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def documented() -> set[tuple[str, str]]:
    return {(operation.method, shape(operation.path)) for operation in OPERATIONS}


def served() -> Iterator[tuple[str, str]]:
    routers = (found for module in modules("routes") for found in vars(module).values() if isinstance(found, APIRouter))
    for router in routers:
        for route in router.routes:
            if isinstance(route, Route) and API.match(route.path):
                yield from ((method, shape(route.path)) for method in (route.methods or ()) if method != "HEAD")


def test_every_route_of_the_code_is_documented() -> None:
    assert set(served()) - documented() == set()


def test_every_path_of_the_template_is_documented() -> None:
    paths = {shape(route.path) for route in TEMPLATE.routes() if API.match(route.path) and route.path not in FALLBACKS}
    assert paths - {path for _, path in documented()} == set()


def test_operations_are_told_apart() -> None:
    assert len(documented()) == len(OPERATIONS)
    assert len({operation.operation_id for operation in OPERATIONS}) == len(OPERATIONS)


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_every_schema_is_defined_and_used() -> None:
    defined = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert set(references(DOCUMENT)) == defined


def test_path_parameters_are_declared() -> None:
    for path, operations in DOCUMENT["paths"].items():
        wanted = set(re.findall(r"\{(\w+)\}", path))
        for operation in operations.values():
            found = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
            assert found == wanted


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.operation_id)
def test_who_may_call_it_follows_from_where_it_is(operation: Any) -> None:
    expected = (
        {"api_key"}
        if operation.path.startswith("/v1/")
        else {"admin"}
        if operation.path.startswith("/api/admin/")
        else {"session", "public"}
    )
    assert operation.audience in expected


def test_unsafe_calls_of_a_browser_name_their_header() -> None:
    operation = DOCUMENT["paths"]["/api/keys"]["post"]
    assert {"name": "x-mc-csrf", "in": "header", "required": True, "schema": {"const": "1"}} in operation["parameters"]


async def test_the_document_has_the_visitors_host() -> None:
    async with site_client(host="my.example") as http:
        answer = (await http.get("/openapi.json")).json()
    assert answer["openapi"] == "3.1.0"
    assert answer["servers"] == [{"url": "http://my.example"}]


def test_the_document_is_json() -> None:
    assert json.loads(openapi_document("")) == document("")


def test_the_error_table_of_the_docs_is_true() -> None:
    assert {(row.code, row.status) for row in ERROR_ROWS} <= CODES
    named = {
        *("api_key_required", "invalid_api_key", "insufficient_balance", "model_not_found"),
        *("rate_limited", "upstream_error", "admin_forbidden"),
    }
    assert named <= {row.code for row in ERROR_ROWS}


BODIES: Mapping[str, type[BaseModel]] = {
    "SpeechRequest": SpeechBody,
    "ImageRequest": ImagesBody,
    "EmbeddingRequest": EmbeddingsBody,
    "ModerationRequest": ModerationsBody,
    "UploadRequest": UploadBody,
    "KeyFields": KeyBody,
    "OrderRequest": OrderBody,
    "ReceiptRequest": ReceiptBody,
    "PriceChangeRequest": PriceBody,
}


@pytest.mark.parametrize("name", BODIES)
def test_what_a_body_must_have_is_what_its_route_asks_for(name: str) -> None:
    required = {field.alias or own for own, field in BODIES[name].model_fields.items() if field.is_required()}
    assert set(DOCUMENT["components"]["schemas"][name]["required"]) == required


def test_a_body_without_a_needed_member_may_be_left_out() -> None:
    for operation in OPERATIONS:
        body = DOCUMENT["paths"][operation.path][operation.method.lower()].get("requestBody")
        if body and operation.audience == "admin":
            assert body["required"] == bool(DOCUMENT["components"]["schemas"][operation.body]["required"])


def test_every_refusal_on_the_way_to_a_route_is_documented() -> None:
    for operation in OPERATIONS:
        answers = DOCUMENT["paths"][operation.path][operation.method.lower()]["responses"].keys()
        wanted = {"500"} | ({"413", "415"} if operation.body else set()) | ({"403"} if operation.is_unsafe else set())
        assert wanted <= answers, operation.operation_id
