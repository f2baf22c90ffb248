"""docs/architecture.md maps every folder of the package and every function, as the template declares them."""

import re
from pathlib import Path

import pytest

import multiconnection
from multiconnection.usage import Ended
from tests.deployment.test_policies import IDENTITIES, NEEDS
from tests.docs.test_docs import DOCS, ROOT, table
from tests.docs.test_operations_docs import RESOURCES
from tools.pictures.architecture import STEPS, floors

PAGE = (DOCS / "architecture.md").read_text()
PACKAGE = Path(multiconnection.__file__).parent
# How the actions begin that change nothing.
READS = re.compile(r"\w+(-\w+)?:(AdminGet|ConditionCheck|Describe|Get|List|Query|Receive|Scan)")
FUNCTIONS = [name for name, spec in RESOURCES.items() if spec["Type"] == "AWS::Serverless::Function"]


def folders() -> set[str]:
    """With files of their own: what only holds other folders is named by them."""
    files = (path for path in PACKAGE.rglob("*") if path.is_file())
    found = {path.parent.relative_to(PACKAGE).as_posix() for path in files}
    return {name for name in found if "__pycache__" not in name and "cache" not in name and name != "."}


def written(function: str) -> set[str]:
    """What its policy lets it change, in the words of the page."""
    changed = [resource for resource, actions in NEEDS[function].items() if any(not READS.match(a) for a in actions)]
    words = {IDENTITIES: "SES"}
    return {words.get(name) or _word(name) for name in changed}


def _word(resource: str) -> str:
    if resource.startswith("PayloadBucket/"):
        return f"{resource.removeprefix('PayloadBucket/')}/"
    return resource.replace("Table", "")


def row(function: str) -> list[str]:
    name = function.removesuffix("Function").lower()
    [found] = [row for row in table("architecture.md", "function") if row[0] == name]
    return found


def test_every_folder_of_the_package_is_on_the_map() -> None:
    mapped = {name.rstrip("/") for name in re.findall(r"`([\w/]+/)`", PAGE.partition("## The functions")[0])}
    assert len(folders()) >= 20
    assert folders() - mapped == set()


def test_every_folder_of_the_map_is_there() -> None:
    tables = PAGE.partition("## Floors")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in tables.splitlines() if line.startswith("| `")]
    named = {name for cell in cells for name in re.findall(r"`([\w/]+/)`", cell)}
    assert len(named) >= 20
    assert [name for name in named if not (PACKAGE / name).is_dir()] == []


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`([\w/.]+\.(?:py|json|yaml|toml))`", PAGE))
    inside_of_a_room = {"models.py", "schemas.py", "service.py", "store.py", "routes.py", "request.py", "upstream.py"}
    assert inside_of_a_room <= named
    files = named - inside_of_a_room
    assert [name for name in files if not any((place / name).is_file() for place in (PACKAGE, ROOT))] == []


def test_every_folder_of_the_repository_is_there() -> None:
    rows = PAGE.partition("## The repository")[2].partition("\n## ")[0]
    named = {name for line in rows.splitlines() for name in re.findall(r"`([\w/]+/)`", line)}
    assert len(named) >= 8
    assert [name for name in named if not (ROOT / name).is_dir()] == []


def test_one_request_takes_ten_steps_through_the_rooms_that_the_picture_numbers() -> None:
    walk = PAGE.partition("## One request, in ten lines")[2].partition("\n## ")[0]
    steps = {int(number): room for number, room in re.findall(r"^(\d+)\. `(\w+)/`", walk, re.MULTILINE)}
    assert list(steps) == list(range(1, 11))
    assert steps == {number: room for room, numbers in STEPS.items() for number in numbers}


def test_every_room_of_the_import_rules_has_its_line() -> None:
    rooms = {room for floor in floors() for room in floor if (PACKAGE / room).is_dir()}
    assert {row[0].rstrip("/") for row in table("architecture.md", "room")} == rooms


def test_every_function_is_in_the_table() -> None:
    named = [row[0] for row in table("architecture.md", "function")]
    assert sorted(named) == sorted(name.removesuffix("Function").lower() for name in FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_write_what_the_table_says(function: str) -> None:
    assert set(re.findall(r"[\w/]+", row(function)[3])) - {"nothing"} == written(function)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_answers_as_the_table_says(function: str) -> None:
    events = RESOURCES[function]["Properties"].get("Events", {}).values()
    routes = [event["Properties"] for event in events if event["Type"] == "Api"]
    modes = {route.get("ResponseTransferMode", "BUFFERED") for route in routes}
    expected = {"RESPONSE_STREAM": "streamed", "BUFFERED": "buffered"}[modes.pop()] if modes else "worker"
    assert not modes
    assert row(function)[2].split(",")[0] == expected


def test_every_ending_of_a_call_is_in_the_ledgers_table() -> None:
    endings = {ending for row in table("ledger.md", "the call ended") for ending in re.findall(r"\w+", row[1])}
    assert {each.value for each in Ended} - endings == set()
