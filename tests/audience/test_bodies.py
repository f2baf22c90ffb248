"""Wrong bodies on every route that reads JSON: a 400 that names the parameter, never a failure, never a write."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest
from pydantic import BaseModel, ValidationError

from multiconnection.audio.schemas import TranscriptionForm
from multiconnection.errors import RequestInvalid
from multiconnection.images.schemas import ImageEditReferences
from tests.audience.answers import assert_sound, outcome
from tests.audience.bodies import BODIES, WITHOUT_JSON, Body
from tests.audience.declared import ROUTES, UNSAFE, Route
from tests.audience.scene import Scene, scene
from tests.audience.test_let_in import headers_of
from tests.support.package import modules

JSON_ROUTES = [route for route in ROUTES if str(route) in BODIES]
# Read beside the body of another route, or from a form.
OTHERWISE_READ: set[type[BaseModel]] = {ImageEditReferences, TranscriptionForm}
# A page's body has 16 KiB at most; `HUGE` is more than any of them may have.
LONG, HUGE = "x" * 9000, "x" * 100_000
DEEP: list[Any] = []
for _ in range(200):
    DEEP = [DEEP]
VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 10**18, 10**30, "", " ", "x", LONG, "\x00", "\u202e\ufeff", "1e9", "NaN", "-0",
    [], [None], ["x"], [LONG], [1] * 3000, {}, {"x": None}, {"": LONG}, DEEP,
]  # fmt: skip
NO_OBJECT = [
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"1",
    b"{",
    b"{}{}",
    b"NaN",
    b"\xff\xfe",
    b'{"a":' * 2000,
    b'{"name":"\\ud800"}',
]
# What somebody would like to say about themselves.
WISHES: dict[str, Any] = {
    "account_id": "acct_" + "z" * 24,
    "user_id": "root",
    "email_verified": True,
    "is_admin": True,
    "groups": ["admin"],
    "cognito:groups": ["admin"],
    "custom:account_id": "acct_" + "z" * 24,
    "credit": "1000.00",
    "credits_in": 10**15,
    "available": "1000.00",
    "rate": "100",
    "status": "credited",
    "kind": "grant",
    "approved_credit": 10**15,
    "decided_by": "root@example.com",
    "in_flight_max": 10**6,
    "secret": "sk-live-mine",
    "key_id": "zzzzzzzz",
}


def bodies_of_the_package() -> Iterator[type[BaseModel]]:
    """Every class of a body; parts of bodies have other names."""
    for module in modules("schemas", "validation"):
        for found in vars(module).values():
            is_schema = isinstance(found, type) and issubclass(found, BaseModel) and found is not BaseModel
            if is_schema and found.__name__.endswith(("Body", "Patch", "Form", "References")):
                yield found


def test_every_route_that_could_read_a_body_is_looked_at() -> None:
    unsafe = {str(route) for route in ROUTES if route.method in UNSAFE}
    assert unsafe == BODIES.keys() | WITHOUT_JSON


def test_every_schema_is_looked_at() -> None:
    """A base class is looked at with the classes that are made of it."""
    looked_at = {body.schema for body in BODIES.values()} | OTHERWISE_READ
    assert [found for found in bodies_of_the_package() if not any(issubclass(each, found) for each in looked_at)] == []


def is_wrong(schema: type[BaseModel], body: dict[str, Any]) -> bool:
    try:
        schema.model_validate(body)
    except (ValidationError, RequestInvalid):
        return True
    return False


async def in_pieces(content: bytes) -> AsyncIterator[bytes]:
    """A body that does not say how long it is."""
    for at in range(0, len(content), 4096):
        yield content[at : at + 4096]


async def refused(scene: Scene, route: Route, number: int, **more: Any) -> tuple[int, dict[str, Any] | None]:
    """Status and error; from an address of its own, so that no limit is in the way."""
    answer = await scene.ask(route, headers_of(scene, route), ip=f"203.0.113.{number % 250}", **more)
    return answer.status_code, answer.json()["error"] if answer.status_code >= 400 else None


@pytest.mark.parametrize("route", JSON_ROUTES, ids=str)
async def test_a_wrong_value_is_refused_by_its_name(route: Route) -> None:
    """Values that the schema refuses; what it lets through may be refused later, or be good."""
    async with scene() as world:
        schema, example, _ = BODIES[str(route)]
        good, before, number = example(world), world.world.state(), 0
        for name in schema.model_fields:
            wrong = [value for value in VALUES if is_wrong(schema, good | {name: value})]
            for value in wrong:
                number += 1
                status, error = await refused(world, route, number, json=good | {name: value})
                assert (status, error is None) == (400, False), f"{name}: {str(value)[:80]!r}"
                assert error is not None
                assert str(error["param"]).partition("[")[0].partition(".")[0] == name
                assert len(json.dumps(error)) < 1500
                assert LONG[:20] not in error["message"], "what is sent, a password perhaps, is not sent back"
            assert world.world.state() == before, name
        assert_sound(world.world.answers)


@pytest.mark.parametrize("route", JSON_ROUTES, ids=str)
async def test_a_strange_value_that_has_the_right_type_breaks_nothing(route: Route) -> None:
    async with scene() as world:
        schema, example, _ = BODIES[str(route)]
        good = example(world)
        strange = [(name, value) for name in schema.model_fields for value in VALUES]
        sent = [(name, value) for name, value in strange if not is_wrong(schema, good | {name: value})]
        for number, (name, value) in enumerate(sent):
            status, error = await refused(world, route, number, json=good | {name: value})
            assert status < 500, f"{name}: {str(value)[:80]!r}"
            assert error is None or len(json.dumps(error)) < 1500
        assert_sound(world.world.answers)


@pytest.mark.parametrize("route", JSON_ROUTES, ids=str)
async def test_what_is_no_object_of_a_sensible_size_is_refused(route: Route) -> None:
    body: Body = BODIES[str(route)]
    async with scene() as world:
        before = world.world.state()
        json_type = {"content-type": "application/json"}
        headers = {**headers_of(world, route), **json_type}
        for number, content in enumerate(NO_OBJECT):
            if not content and body.optional:
                continue
            answer = await world.ask(route, headers, ip=f"203.0.113.{number}", content=content)
            assert outcome(answer)[0] == 400, content[:40]
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            answer = await world.ask(route, {**headers, "content-type": kind}, content=b"{}")
            assert outcome(answer) == (415, "unsupported_media_type")
        compressed = await world.ask(route, {**headers, "content-encoding": "gzip"}, content=b"{}")
        assert outcome(compressed) == (415, "unsupported_media_type")
        if route.path.startswith("/api/") or route.path == "/v1/uploads":
            padded = orjson.dumps(body.example(world) | {"padding": HUGE})
            for sent in (padded, in_pieces(padded)):
                large = await world.ask(route, headers, content=sent)
                assert outcome(large) == (413, "request_too_large")
        assert world.world.state() == before
        assert_sound(world.world.answers)


@pytest.mark.parametrize("route", JSON_ROUTES, ids=str)
async def test_nobody_gives_themselves_anything(route: Route) -> None:
    """Each wish on its own is refused by its name, or means nothing: the same request without it does the same."""
    schema, example, _ = BODIES[str(route)]
    async with scene() as world:
        people = {email: list(person.groups) for email, person in world.world.cognito.people.items()}
        who = (world.ada, world.bob, world.root, world.second)
        money = [(await world.world.image(each.account_id)).credits_in for each in who]
        rows = [await world.world.credits_of(each.account_id) for each in who]
        for number, (name, value) in enumerate(WISHES.items()):
            if name in schema.model_fields:
                continue
            status, error = await refused(world, route, number, json=example(world) | {name: value})
            if schema.model_config.get("extra") == "forbid":
                assert error is not None
                assert (status, error["param"]) == (400, name if name.isidentifier() else error["param"])
            assert status < 500
        if "adjust" not in route.path:
            assert [(await world.world.image(each.account_id)).credits_in for each in who] == money
            assert [await world.world.credits_of(each.account_id) for each in who] == rows
        groups = {email: list(person.groups) for email, person in world.world.cognito.people.items()}
        assert {email: found for email, found in groups.items() if found != people.get(email, [])} == {}
        assert_sound(world.world.answers)
