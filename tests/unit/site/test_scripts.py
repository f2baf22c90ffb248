"""The arithmetic of the console, in the engine that runs it."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from multiconnection.api.site.assets import STATIC

pytestmark = pytest.mark.node
NODE = shutil.which("node") or "node"


def evaluated(tmp_path: Path, module: str, expression: str) -> Any:
    """The value of an expression over what a module without imports exports as `m`."""
    shutil.copy(STATIC / module, tmp_path / "module.mjs")
    code = f'import * as m from "./module.mjs"; console.log(JSON.stringify({expression}));'
    (tmp_path / "main.mjs").write_text(code)
    ran = subprocess.run(
        [NODE, "main.mjs"], cwd=tmp_path, check=True, capture_output=True, text=True, env={"LANG": "en_US.UTF-8"}
    )
    return json.loads(ran.stdout)


@pytest.mark.parametrize(
    ("amount", "places", "shown"),
    [
        ("12.349999999", 2, "12.34"),
        ("0.009999999", 2, "0.00"),
        ("-2.501", 2, "-2.51"),
        ("9007199254740993.999999999", 2, "9007199254740993.99"),
        ("0.000271900", 6, "0.000271"),
        ("5", 2, "5.00"),
    ],
)
def test_amounts_are_rounded_down_and_never_floats(tmp_path: Path, amount: str, places: int, shown: str) -> None:
    assert evaluated(tmp_path, "js/lib/money.js", f"m.floor({json.dumps(amount)}, {places})") == shown


def test_exact_amounts_have_nine_digits(tmp_path: Path) -> None:
    found = evaluated(tmp_path, "js/lib/money.js", '[m.exact("1.5"), m.exact("-0.000000001"), m.written("-0.5")]')
    assert found == ["$1.500000000", "-$0.000000001", "-$0.5"]


def test_small_charges_keep_the_digits_that_matter(tmp_path: Path) -> None:
    found = evaluated(tmp_path, "js/lib/money.js", '["0", "0.000271400", "0.000000999", "3.25"].map(m.usdSmall)')
    assert found == ["$0.00", "$0.000271", "< $0.000001", "$3.2500"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        *((text, False) for text in ("10", "10.00", " 25.50 ", "50000")),
        *(
            (text, True)
            for text in ("", "0", "-5", "1e3", "1,5", "10.001", "9.99", "50000.01", "12345678901", "abc", "1.")
        ),
    ],
)
def test_amount_fields_refuse_what_would_be_refused(tmp_path: Path, text: str, wrong: bool) -> None:
    call = f'm.amountProblem({json.dumps(text)}, {{min: "10.00", max: "50000.00"}})'
    assert bool(evaluated(tmp_path, "js/lib/money.js", call)) is wrong
