"""docs/extending.md leads to files that are there, and its promises about prices are kept by the shipped catalog."""

import json
import re
from importlib.resources import files
from typing import Any

import pytest

from multiconnection.catalog.models import parse_prices
from multiconnection.usage import USAGE_COUNTS
from tests.docs.test_docs import DOCS, ROOT

PAGE = (DOCS / "extending.md").read_text()
PLACES = (ROOT, ROOT / "layers/multiconnection/python/multiconnection")
CATALOG = json.loads((files("multiconnection") / "data" / "catalog.json").read_text())["models"]
# Priced by more than one field of the usage, and read apart.
GROUPED = {"images", "seconds"}


def test_every_file_and_folder_that_it_names_is_there() -> None:
    named = [name for name in re.findall(r"`([\w./-]+)`", PAGE) if "/" in name or name.endswith(".py")]
    assert len(named) > 20
    paths = [name for name in named if not name.startswith("/")]
    assert [name for name in paths if not any((place / name).exists() for place in PLACES)] == []


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: str(entry["id"]))
def test_every_price_of_the_catalog_is_charged_for_something_that_is_counted(entry: dict[str, Any]) -> None:
    quoted = {**entry["prices"], **entry.get("long_context", {}).get("prices", {})}
    units = parse_prices(quoted).units
    assert quoted.keys() - GROUPED <= units.keys()
    assert units.keys() <= set(USAGE_COUNTS)


def test_it_is_found_from_the_readme_and_the_map() -> None:
    assert "docs/extending.md" in (ROOT / "README.md").read_text()
    assert "(extending.md)" in (DOCS / "architecture.md").read_text()
