"""Every route of a function against every kind of caller, method and body."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from tests.audience.bodies import BODIES, good
from tests.audience.callers import CALLERS
from tests.audience.declared import DECLARED, ROUTES, Route
from tests.audience.scene import MISSING, Scene, bearer, filled, parameters

from .tape import Tape, whole_chat, with_scene

Scenario = Callable[[Tape], Awaitable[None]]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Of all that are kept out, one of each kind of refusal.
KEPT_OUT = {
    "nobody",
    "an unknown key",
    "a deleted key",
    "a key for a session",
    "a session for a key",
    "an administrator for a key",
    "a flipped signature",
    "an expired token",
    "the owner, no administrator",
    "without our header",
    "a foreign origin",
}
FUNCTIONS = sorted({route.function for route in ROUTES})
WRONG: tuple[Any, ...] = ({"x": None}, "", -1)
HUGE = 6 * 1024 * 1024 + 1


def routes_of(function: str) -> list[Route]:
    """What ends something comes last."""
    found = [route for route in ROUTES if route.function == function]
    return sorted(found, key=lambda route: route.method == "DELETE" or "password" in route.path)


def headers_of(scene: Scene, route: Route) -> Mapping[str, str]:
    audience = DECLARED[route]
    if audience == "api_key":
        return bearer(scene.key)
    return {"session": scene.ada.headers, "admin": scene.second.headers, "public": {}}[audience]


async def ask(tape: Tape, scene: Scene, who: str, route: Route, headers: Mapping[str, str], **more: Any) -> Any:
    path = more.pop("path", None) or scene.path(route)
    sent = {**headers, **more.pop("headers_more", {})}
    return await tape.ask(who, route.method, path, sent, function=route.function, **more)


def let_in(function: str) -> Scenario:
    async def scenario(tape: Tape) -> None:
        scene = await with_scene(tape)
        for route in routes_of(function):
            tape.replies(whole_chat())
            await ask(tape, scene, DECLARED[route], route, headers_of(scene, route), **good(scene, route))
            await tape.settled()
        for route in [route for route in routes_of(function) if parameters(route.path) and function != "site"]:
            path = filled(route.path, MISSING)
            headers = headers_of(scene, route)
            await ask(tape, scene, DECLARED[route], route, headers, path=path, note="missing", **good(scene, route))

    return scenario


def suspended(function: str) -> Scenario:
    async def scenario(tape: Tape) -> None:
        scene = await with_scene(tape)
        path = f"/api/admin/accounts/{scene.ada.account_id}/suspend"
        await tape.ask("admin", "POST", path, scene.root.headers, json={"reason": "fraud"})
        for route in routes_of(function):
            if DECLARED[route] in ("session", "api_key"):
                headers = headers_of(scene, route)
                await ask(tape, scene, "suspended", route, headers, **good(scene, route))

    return scenario


def kept_out(function: str) -> Scenario:
    async def scenario(tape: Tape) -> None:
        scene = await with_scene(tape)
        for route in routes_of(function):
            for caller in CALLERS:
                if caller.name in KEPT_OUT and caller.tries(route, DECLARED[route]):
                    await ask(tape, scene, caller.name, route, caller.headers(scene), **good(scene, route))

    return scenario


def other_methods(function: str) -> Scenario:
    async def scenario(tape: Tape) -> None:
        scene = await with_scene(tape)
        declared = {(route.method, route.path) for route in ROUTES}
        for path in dict.fromkeys(route.path for route in routes_of(function)):
            for method in METHODS:
                if (method, path) not in declared:
                    headers = {**scene.root.headers, **bearer(scene.key)}
                    await ask(tape, scene, "somebody", Route(function, method, path), headers)
        preflight = {"origin": "https://page.example", "access-control-request-headers": "x-mine"}
        first = next(path for path in dict.fromkeys(route.path for route in routes_of(function)))
        await ask(tape, scene, "a page", Route(function, "OPTIONS", first), preflight, note="preflight")

    return scenario


def bodies(function: str) -> Scenario:
    async def scenario(tape: Tape) -> None:
        scene = await with_scene(tape)
        for route in [route for route in routes_of(function) if str(route) in BODIES]:
            headers = headers_of(scene, route)
            for note, more in _wrong_bodies(scene, route):
                await ask(tape, scene, DECLARED[route], route, headers, note=note, **more)

    return scenario


def _wrong_bodies(scene: Scene, route: Route) -> list[tuple[str, dict[str, Any]]]:
    body = BODIES[str(route)]
    example = body.example(scene)
    json_type = {"content-type": "application/json"}
    raw = {"nothing": b"", "null": b"null", "a list": b"[]", "half": b"{", "no UTF-8": b"\xff\xfe"}
    found: list[tuple[str, dict[str, Any]]] = [(name, {"content": content}) for name, content in raw.items()]
    found = [(name, {"headers_more": json_type, **more}) for name, more in found]
    found += [
        ("form", {"headers_more": {"content-type": "application/x-www-form-urlencoded"}, "content": b"a=b"}),
        ("gzip", {"headers_more": {**json_type, "content-encoding": "gzip"}, "content": b"{}"}),
        ("unknown member", {"json": {**example, "nobody_knows_it": 1}}),
    ]
    size = HUGE if route.path.startswith("/v1/") and route.path != "/v1/uploads" else 100_000
    found.append(("huge", {"headers_more": json_type, "content": orjson.dumps({"x": "x" * size})}))
    for name in body.schema.model_fields:
        left_out = {key: value for key, value in example.items() if key != name}
        found += [(f"no {name}", {"json": left_out})] if name in example else []
        found += [(f"{name}: {value!r}", {"json": {**example, name: value}}) for value in WRONG]
    return found
