"""What the functions answer is what they answered when the corpus was recorded: a rearrangement changes nothing."""

import re
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from local.paths import TEMPLATE
from local.routing import Router
from local.template import load as load_template
from tests.audience.declared import ROUTES, Route

from . import replay, store
from .placeholders import Placeholders

ERRORS = Path(__file__).parents[2] / "docs" / "errors.md"
# Never raised, or only where two administrators move a thing at the same moment.
NOT_PROVOKED = {"access_denied", "admin_conflict"}
SHOWN = 10
_ASKED = re.compile(r": ([A-Z]+) (/.*?)(?: \(.*\))?$")
_PLACEHOLDER = re.compile(r"<[a-z0-9 ]+>")


@pytest.mark.parametrize("room", replay.ROOMS)
def test_what_is_answered_is_what_was_recorded(room: str) -> None:
    recorded, found = store.read(room), replay.replayed(room)
    assert list(found) == list(recorded), "record again: python -m tests.corpus record"
    changes = [f"{name}: {change}" for name in found for change in store.changed(recorded[name], found[name])]
    shown = "\n".join(islice(changes, SHOWN))
    assert not changes, f"{len(changes)} answers have changed. If this is meant: python -m tests.corpus record\n{shown}"


@pytest.mark.parametrize("room", ["keys", "orders", "outages"])
def test_other_ids_make_no_other_answers(room: str) -> None:
    """Code that draws a random number more, or one less, is no change."""
    found, before = replay.replayed(room, seed=2), store.read(room)
    assert [change for name in found for change in store.changed(before[name], found[name])] == []


@cache
def recorded() -> list[dict[str, Any]]:
    """Every request of every room."""
    return [dict(record) for room in replay.ROOMS for records in store.read(room).values() for record in records]


def asked(*, but: tuple[int, ...] = ()) -> set[tuple[str, str]]:
    """Method and path of all requests that did not get one of these statuses; placeholders stand for themselves."""
    lines = [_ASKED.search(each["asked"]) for each in recorded() if each.get("status", 0) not in (0, *but)]
    return {(found[1], _PLACEHOLDER.sub("x", found[2]).partition("?")[0]) for found in lines if found}


def test_every_route_answers_somebody_whom_it_is_for() -> None:
    found = asked(but=(401, 403, 405))
    missing = [route for route in ROUTES if not any(_is_of(route, *each) for each in found)]
    assert missing == []


def _is_of(route: Route, method: str, path: str) -> bool:
    pattern = re.sub(r"\{\w+:path\}", ".+", re.sub(r"\{\w+\}", "[^/]+", route.path))
    return method == route.method and re.fullmatch(pattern, path) is not None


def test_every_path_and_method_of_the_deployed_api_is_asked() -> None:
    """HEAD and OPTIONS too; a greedy path by one of those below it."""
    routes = load_template(TEMPLATE).routes()
    router = Router((route.path, route.method, (route.method, route.path)) for route in routes)
    found = {router.match(method, path.encode()) for method, path in asked()}
    assert {(route.method, route.path) for route in routes} - found == set()


def test_every_error_code_has_been_provoked() -> None:
    codes = set(re.findall(r"^\| `([a-z_]+)` \| \d{3} ", ERRORS.read_text(), re.MULTILINE)) - NOT_PROVOKED
    bodies = [record["body"] for record in recorded() if isinstance(record.get("body"), dict)]
    found = {str(body["error"]["code"]).replace("None", "null") for body in bodies if "error" in body}
    assert codes - found == set()
    assert len(codes) > 40


def test_the_files_stay_small() -> None:
    assert sum(path.stat().st_size for path in store.ANSWERS.iterdir()) < 1_500_000


def test_a_change_is_shown_by_its_place() -> None:
    before = [{"asked": "x", "status": 200, "headers": [["a", "1"]], "body": {"b": [1, 2]}}]
    after = [{"asked": "x", "status": 200, "headers": [["a", "2"], ["c", "3"]], "body": {"b": [1, 3]}}]
    (change,) = store.changed(before, after)
    places = [line.strip() for line in change.split("\n") if not line.startswith("    ")]
    assert places == ["0. x", "headers.a[0]", "headers.c", "body.b[1]"]
    assert list(store.changed(before, before)) == []
    assert list(store.changed(before, [])) != []


def test_equal_ids_stay_equal() -> None:
    names = Placeholders()
    first, second = "req_1xocE4aOdYcB", "req_1xocE4aOdYcC"
    assert names.text(f"{first} {second} {first[4:]}") == "<req 1> <req 2> <bare req 1>"
    assert names.text(second) == "<req 2>"
