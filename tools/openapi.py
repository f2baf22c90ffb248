"""Generates the OpenAPI document from the routes: `python -m tools.openapi` writes it, `--check` only compares.

The document is a file of the package, so that the function that serves it need not import every room.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Literal

import orjson
from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import multiconnection
from multiconnection.identity.browser import access, admin_session, session
from multiconnection.keys.authenticate import authenticated
from multiconnection.web.openapi import MODELS, Error, refuses

_REFUSED = 400
Audience = Literal["api_key", "public", "session", "admin"]
PATH = Path(multiconnection.__path__[0]) / "data" / "openapi.json"
DESCRIPTION = (
    "An OpenAI-compatible gateway with prepaid billing. `/v1` takes an API key; `/api` is the console's own API: it "
    "takes the session cookie and, for anything but GET, the header `x-mc-csrf: 1`."
)
CSRF = {"name": "x-mc-csrf", "in": "header", "required": True, "schema": {"const": "1"}}
SECURITY: Mapping[Audience, list[dict[str, list[str]]]] = {
    "api_key": [{"apiKey": []}, {"apiKeyHeader": []}],
    "public": [],
    "session": [{"session": []}],
    "admin": [{"session": []}],
}
COMMON_REFUSALS: Mapping[Audience, tuple[int, ...]] = {
    "api_key": (401, 403, 429, 500, 503),
    "public": (500, 503),
    "session": (401, 429, 500, 503),
    "admin": (401, 403, 429, 500, 503),
}


def routes() -> Iterator[APIRoute]:
    """Every described route below /v1 and /api; `document` modules describe those that are served without FastAPI."""
    for room in iter_modules(multiconnection.__path__, "multiconnection."):
        if not room.ispkg:
            continue
        for module in iter_modules(import_module(room.name).__path__, f"{room.name}."):
            if module.name.rpartition(".")[2].endswith(("routes", "document")):
                yield from _routes_of(import_module(module.name))


def _routes_of(module: Any) -> Iterator[APIRoute]:
    for router in vars(module).values():
        if isinstance(router, APIRouter):
            yield from (
                route
                for route in router.routes
                if isinstance(route, APIRoute) and route.path.startswith(("/v1/", "/api/"))
            )


def document() -> dict[str, Any]:
    found = list(routes())
    for route in found:
        route.operation_id = _operation_id(route)
    made = get_openapi(
        title="MultiConnection", version="1", openapi_version="3.1.0", description=DESCRIPTION, routes=found
    )
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas |= _schemas_of_models()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    made["components"]["securitySchemes"] = {
        "apiKey": {"type": "http", "scheme": "bearer", "description": "sk-live-…"},
        "apiKeyHeader": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        "session": {"type": "apiKey", "in": "cookie", "name": "__Host-mc_id"},
    }
    made["components"]["responses"] = {"Refused": refuses(0)[0]}
    for route in found:
        _complete(made["paths"][_path(route)][_method(route).lower()], route)
    made["paths"] = dict(sorted(made["paths"].items()))
    made["components"]["schemas"] = {name: schemas[name] for name in sorted(_used(made, schemas))}
    made["servers"] = [{"url": "/"}]
    return made


def _used(made: Mapping[str, Any], schemas: Mapping[str, Any]) -> set[str]:
    """Schemas that the paths and responses lead to."""
    used: set[str] = set()
    found = _references([made["paths"], made["components"]["responses"]])
    while found - used:
        used |= found
        found = _references([schemas[name] for name in used])
    return used


def _references(part: Any) -> set[str]:
    return set(re.findall(r"#/components/schemas/([\w-]+)", orjson.dumps(part).decode()))


def audience(route: APIRoute) -> Audience:
    """The audience of a route, by its dependencies."""
    asked = set(_dependencies(route.dependant))
    if admin_session in asked:
        return "admin"
    if asked & {session, access}:
        return "session"
    return "api_key" if authenticated in asked or route.path.startswith("/v1/") else "public"


def _complete(operation: dict[str, Any], route: APIRoute) -> None:
    """Security, the browser's header, and the refusals that come from what the route takes and who may call it."""
    who = audience(route)
    operation["security"] = SECURITY[who]
    unsafe = _method(route) != "GET" and route.path.startswith("/api/")
    if unsafe:
        operation.setdefault("parameters", []).append(dict(CSRF))
    statuses = {*COMMON_REFUSALS[who], *((403,) if unsafe else ())}
    if "requestBody" in operation:
        statuses |= {400, 413, 415}
    if operation["responses"].pop("422", None) and any(each["in"] == "query" for each in operation["parameters"]):
        statuses.add(400)
    statuses |= {int(status) for status in operation["responses"] if int(status) >= _REFUSED}
    done = {status: answer for status, answer in operation["responses"].items() if int(status) < _REFUSED}
    refused = {str(status): {"$ref": "#/components/responses/Refused"} for status in sorted(statuses)}
    operation["responses"] = done | refused


def _dependencies(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for each in dependant.dependencies:
        yield from _dependencies(each)


def _path(route: APIRoute) -> str:
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)


def _method(route: APIRoute) -> str:
    return next(iter(route.methods or ()))


def _operation_id(route: APIRoute) -> str:
    words = [_method(route).lower(), *_path(route).strip("/").replace("{", "by-").replace("}", "").split("/")]
    return "_".join(words).replace("-", "_").replace(".", "_")


def _schemas_of_models() -> dict[str, Any]:
    models: list[type[BaseModel]] = [*MODELS.values(), Error]
    _, schema = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    found: dict[str, Any] = schema.get("$defs", {})
    return found


def written() -> bytes:
    text = orjson.dumps(document(), option=orjson.OPT_INDENT_2) + b"\n"
    return re.sub(rb"Page_(\w+?)_", rb"\1Page", text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 where the file is not what the routes say")
    if parser.parse_args().check:
        return int(PATH.read_bytes() != written())
    PATH.write_bytes(written())
    return 0


if __name__ == "__main__":
    sys.exit(main())
