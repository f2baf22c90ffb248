"""The answer models against the recorded answers of every route: no member is missing, unknown or of another kind."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tests.corpus import replay, store
from tools.openapi import routes

_NOTE = re.compile(r" \(.*\)$")
DESCRIBED = [route for route in routes() if route.response_model is not None]


def recorded() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and body of every good answer in JSON."""
    for room in replay.ROOMS:
        for records in store.read(room).values():
            for record in records:
                _, _, request = record["asked"].partition(": ")
                method, _, path = request.partition(" ")
                body = record.get("body")
                if record.get("status") in (200, 201, 202) and isinstance(body, dict) and "sha256" not in body:
                    yield method, _NOTE.sub("", path).partition("?")[0], _unmasked(body)


def _unmasked(value: Any) -> Any:
    """The recording has a word for the present time."""
    if isinstance(value, dict):
        return {name: _unmasked(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_unmasked(item) for item in value]
    return 0 if value == "<now>" else value


def place(method: str, path: str) -> int | None:
    """The described route of a request, by its place."""
    return next(
        (at for at, route in enumerate(DESCRIBED) if method in (route.methods or ()) and route.path_regex.match(path)),
        None,
    )


# What the scripted provider of the recording adds, which is passed on.
PASSED_ON = {".choices[].message"}
ANSWERS: dict[int, list[dict[str, Any]]] = {}
for _method, _path, _body in recorded():
    if (_at := place(_method, _path)) is not None:
        ANSWERS.setdefault(_at, []).append(_body)


def name_of(at: int) -> str:
    return f"{next(iter(DESCRIBED[at].methods or ()))} {DESCRIBED[at].path}"


def unlike(model: Any, answer: Mapping[str, Any]) -> str:
    """What the model says of an answer that it does not describe; empty for one that it does."""
    adapter = TypeAdapter(model)
    try:
        described = adapter.dump_python(adapter.validate_python(answer, strict=False), mode="json", exclude_unset=True)
    except ValidationError as exc:
        return str(exc)
    return ", ".join(sorted(set(_unknown(answer, described)) - PASSED_ON))


def _unknown(answer: Any, described: Any, where: str = "") -> Iterator[str]:
    if isinstance(answer, dict) and isinstance(described, dict):
        yield from (f"{where}.{name}" for name in answer.keys() - described.keys())
        for name in answer.keys() & described.keys():
            yield from _unknown(answer[name], described[name], f"{where}.{name}")
    elif isinstance(answer, list) and isinstance(described, list):
        for one, other in zip(answer, described, strict=True):
            yield from _unknown(one, other, f"{where}[]")


@pytest.mark.parametrize("at", sorted(ANSWERS), ids=name_of)
def test_every_recorded_answer_is_as_its_route_describes_it(at: int) -> None:
    assert {unlike(DESCRIBED[at].response_model, answer) for answer in ANSWERS[at]} == {""}


def test_every_described_route_has_a_recorded_answer() -> None:
    missing = {name_of(at) for at in range(len(DESCRIBED)) if at not in ANSWERS}
    # Its answer is that of an approval, which is recorded.
    assert missing == {"POST /api/admin/orders/{order_id}/reject"}
