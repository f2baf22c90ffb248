"""The arithmetic of the admin pages, in the engine that runs it."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from multiconnection.catalog.admin import differences
from multiconnection.catalog.models import PRICE_KINDS
from multiconnection.site.render import STATIC

pytestmark = pytest.mark.node
NODE = shutil.which("node") or "node"
PRICES = {
    "input": "0.30",
    "output": "1.2",
    "images": {"1024x1024": {"low": "0.011", "high": "0.25"}},
    "long_context": {"input": "0.6", "output": "2.4"},
}


def evaluated(tmp_path: Path, module: str, expression: str) -> Any:
    """The value of an expression over what a module, which finds its imports where it is served, exports as `m`."""
    shutil.copytree(STATIC / "js", tmp_path / "js")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    code = f'import * as m from "./js/admin/{module}"; console.log(JSON.stringify({expression}));'
    (tmp_path / "main.js").write_text(code)
    ran = subprocess.run(
        [NODE, "main.js"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        env={"LANG": "en_US.UTF-8", "TZ": "Asia/Singapore"},
    )
    return json.loads(ran.stdout)


def test_a_price_table_that_is_taken_apart_can_be_put_together_again(tmp_path: Path) -> None:
    assert evaluated(tmp_path, "price_table.js", f"m.nested(m.rowsOf({json.dumps(PRICES)}))") == PRICES


def test_prices_have_the_same_paths_as_in_the_differences_of_the_server(tmp_path: Path) -> None:
    keys = evaluated(tmp_path, "price_table.js", f"m.rowsOf({json.dumps(PRICES)}).map((row) => row.key)")
    assert keys == [each.kind for each in differences({}, PRICES)]


def test_every_kind_that_has_a_price_has_a_name_and_a_unit(tmp_path: Path) -> None:
    named = evaluated(tmp_path, "price_table.js", f"{json.dumps(sorted(PRICE_KINDS))}.map((kind) => m.kindOf([kind]))")
    assert [kind for kind, (_, unit) in zip(sorted(PRICE_KINDS), named, strict=True) if unit == "unit"] == []


@pytest.mark.parametrize(
    ("old", "new"), [("0.30", "0.45"), ("0.30", "0.1"), ("3", "3.0001"), ("0", "1"), ("1.25", "1.25"), (None, "2")]
)
def test_a_difference_is_what_the_server_will_say(tmp_path: Path, old: str | None, new: str) -> None:
    shown = evaluated(tmp_path, "price_table.js", f"m.percent({json.dumps(old)}, {json.dumps(new)})")
    told = differences({"input": old} if old else {}, {"input": new})
    assert shown == (told[0].percent if told else 0)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        *((text, False) for text in ("0", "0.15", " 2 ", "123456789", "0.000000000001")),
        *((text, True) for text in ("", "-1", "1e3", "1,5", ".5", "1.", "1234567890", "0.0000000000001", "free")),
    ],
)
def test_price_fields_refuse_what_would_be_refused(tmp_path: Path, text: str, wrong: bool) -> None:
    assert bool(evaluated(tmp_path, "price_table.js", f"m.priceProblem({json.dumps(text)})")) is wrong


@pytest.mark.parametrize(
    ("prices", "shown"),
    [
        (PRICES, "$0.011 to $0.25 per image"),
        ({"input": "0.30", "output": "1.2"}, "Input $0.30, Output $1.20"),
        ({"characters": "15"}, "$15.00 per 1M characters"),
        ({}, "Free"),
    ],
)
def test_prices_have_a_summary(tmp_path: Path, prices: dict[str, object], shown: str) -> None:
    assert evaluated(tmp_path, "price_table.js", f"m.summary({json.dumps(prices)})") == shown


def test_amounts_say_in_which_direction_they_move(tmp_path: Path) -> None:
    amounts = ["5", "-2.5", "0.000000001", "-0.000000001", "0"]
    shown = evaluated(tmp_path, "amounts.js", f"{json.dumps(amounts)}.map(m.signed)")
    assert shown == ["+$5.00", "-$2.50", "+$0.000000001", "-$0.000000001", "$0.00"]


def test_sums_and_shares_are_exact(tmp_path: Path) -> None:
    found = evaluated(
        tmp_path, "amounts.js", '[m.signed("0.1"), m.share("1", "3"), m.share("-1", "4"), m.share("1", "0")]'
    )
    assert found == ["+$0.10", "33.3 %", "-25.0 %", "—"]


def test_days_are_those_of_utc(tmp_path: Path) -> None:
    found = evaluated(
        tmp_path,
        "utc_days.js",
        '[m.lastDays(m.startOf("2026-03-01") + 86399, 2), m.daysBetween("2026-02-27", "2026-03-01"), '
        'm.spans(["2026-03-02", "2026-02-28", "2026-03-01", "2026-03-05"]), m.isDay("2026-02-30x"), m.isDay("")]',
    )
    assert found == [
        {"from": "2026-02-28", "to": "2026-03-01"},
        ["2026-02-27", "2026-02-28", "2026-03-01"],
        "2026-02-28 to 2026-03-02, 2026-03-05",
        False,
        False,
    ]
