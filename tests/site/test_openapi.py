"""The OpenAPI document names every route there is, and says what its routes say."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.routing import Route

from local.template import load
from multiconnection.site.pages import ERROR_ROWS
from tests.support.errors import ALL
from tests.support.package import modules
from tests.support.site_app import site_client
from tools.openapi import PATH, SECURITY, Audience, document, written

TEMPLATE = load(Path(__file__).parents[2] / "template.yaml")
DOCUMENT = document()
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
CODES = {(kind.code, kind.status) for kind in ALL}
API = re.compile(r"/(?:v1|api)/")
# Paths that no other function serves.
FALLBACKS = {"/api/admin/{proxy+}", "/v1/{proxy+}", "/api/{proxy+}"}


def test_the_document_in_the_package_is_what_the_routes_say() -> None:
    assert PATH.read_bytes() == written(), "run `python -m tools.openapi`"


def shape(path: str) -> str:
    """What a parameter is called, and whether it is greedy, is not part of a route."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def documented() -> set[tuple[str, str]]:
    return {(method, shape(path)) for method, path, _ in OPERATIONS}


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
    assert len({operation["operationId"] for _, _, operation in OPERATIONS}) == len(OPERATIONS)


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
    defined = {
        f"#/components/{kind}/{name}" for kind in ("schemas", "responses") for name in DOCUMENT["components"][kind]
    }
    assert set(references(DOCUMENT)) == defined


def test_path_parameters_are_declared() -> None:
    for path, operations in DOCUMENT["paths"].items():
        wanted = set(re.findall(r"\{(\w+)\}", path))
        for operation in operations.values():
            found = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
            assert found == wanted


def test_who_may_call_it_follows_from_where_it_is() -> None:
    for _, path, operation in OPERATIONS:
        expected: list[Audience] = ["public", "session"]
        if path.startswith("/v1/"):
            expected = ["api_key"]
        elif path.startswith("/api/admin/"):
            expected = ["admin"]
        assert operation["security"] in [SECURITY[each] for each in expected], path


def test_unsafe_calls_of_a_browser_name_their_header() -> None:
    operation = DOCUMENT["paths"]["/api/keys"]["post"]
    assert {"name": "x-mc-csrf", "in": "header", "required": True, "schema": {"const": "1"}} in operation["parameters"]


async def test_the_document_has_the_visitors_host() -> None:
    async with site_client(host="my.example") as http:
        answer = (await http.get("/openapi.json")).json()
    assert answer["openapi"] == "3.1.0"
    assert answer["servers"] == [{"url": "http://my.example"}]


def test_the_error_table_of_the_docs_is_true() -> None:
    assert {(row.code, row.status) for row in ERROR_ROWS} <= CODES
    named = {
        *("api_key_required", "invalid_api_key", "insufficient_balance", "model_not_found"),
        *("rate_limited", "upstream_error", "admin_forbidden"),
    }
    assert named <= {row.code for row in ERROR_ROWS}


def test_every_refusal_on_the_way_to_a_route_is_documented() -> None:
    for method, path, operation in OPERATIONS:
        unsafe = method != "GET" and path.startswith("/api/")
        wanted = {"500"} | ({"413", "415"} if "requestBody" in operation else set()) | ({"403"} if unsafe else set())
        assert wanted <= operation["responses"].keys(), operation["operationId"]


def test_every_operation_has_a_summary_and_a_tag() -> None:
    assert [
        path for _, path, operation in OPERATIONS if not operation.get("summary") or not operation.get("tags")
    ] == []
