"""docs/images holds what `make pictures` makes, and the pages show it."""

import re
import struct
from pathlib import Path

import pytest

from tests.docs.test_docs import DOCS, ROOT
from tools.pictures.__main__ import IMAGES, PICTURES
from tools.pictures.architecture import architecture, floors, functions

WIDTH, BYTES_MAX = 1280, 300 * 1024
PICTURE = (IMAGES / "architecture.svg").read_text()
WORDS = re.findall(r"<text[^>]*>([^<]+)</text>", PICTURE)


def test_the_folder_holds_the_pictures_that_the_command_makes_and_no_others() -> None:
    made = {file for file, _ in PICTURES.values()}
    assert {path.name for path in IMAGES.iterdir()} == made


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "architecture.md"], ids=lambda page: page.name)
def test_the_pictures_of_a_page_are_there(page: Path) -> None:
    shown = re.findall(r"!\[[^\]]{10,}\]\(([^)]+)\)", page.read_text())
    assert shown
    assert [name for name in shown if not (page.parent / name).is_file()] == []


def test_every_picture_is_shown_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [file for file, _ in PICTURES.values() if f"](docs/images/{file})" not in readme] == []


def test_the_architecture_is_what_the_command_draws() -> None:
    assert architecture() == PICTURE, "run python -m tools.pictures architecture"


def test_the_architecture_names_every_function_and_every_room_of_the_import_rules() -> None:
    rooms = {room for floor in floors() for room in floor}
    assert len(functions()) >= 13
    assert len(rooms) >= 25
    assert (functions() | rooms) - set(WORDS) == set()


def test_the_console_is_as_wide_as_a_page_and_no_larger_than_it_needs_to_be() -> None:
    data = (IMAGES / "console.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">I", data[16:20]) == (WIDTH,)
    assert len(data) < BYTES_MAX
