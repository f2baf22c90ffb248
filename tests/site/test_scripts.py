"""The arithmetic of the console, in the engine that runs it."""

import json
import shutil
import subprocess
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from multiconnection.site.render import STATIC

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
        ("12.344999999", 2, "12.34"),
        ("12.345", 2, "12.35"),
        ("0.004999999", 2, "0.00"),
        ("-2.505", 2, "-2.51"),
        ("-0.001", 2, "0.00"),
        ("9007199254740993.999999999", 2, "9007199254740994.00"),
        ("0.000271500", 6, "0.000272"),
        ("5", 2, "5.00"),
        ("0.000000001", 9, "0.000000001"),
    ],
)
def test_amounts_are_rounded_to_the_nearest_and_never_floats(
    tmp_path: Path, amount: str, places: int, shown: str
) -> None:
    assert evaluated(tmp_path, "js/lib/money.js", f"m.rounded({json.dumps(amount)}, {places})") == shown


def test_exact_amounts_have_nine_digits(tmp_path: Path) -> None:
    found = evaluated(tmp_path, "js/lib/money.js", '[m.exact("1.5"), m.exact("-0.000000001"), m.written("-0.5")]')
    assert found == ["$1.500000000", "-$0.000000001", "-$0.5"]


def test_an_amount_alone_has_the_digits_that_matter(tmp_path: Path) -> None:
    amounts = ["0", "0.000271400", "0.000000999", "3.25", "105.203918273", "-0.0123", "0.000000001"]
    found = evaluated(tmp_path, "js/lib/money.js", f"{json.dumps(amounts)}.map((amount) => m.usd(amount))")
    assert found == ["$0.00", "$0.00027", "$0.00000100", "$3.25", "$105.20", "-$0.012", "$0.000000001"]


def test_lines_of_a_call_are_aligned_at_their_decimal_point(tmp_path: Path) -> None:
    found = evaluated(tmp_path, "js/lib/money.js", 'm.aligned(["0.000000012", "-0.0000000121", "3"])')
    assert found == ["0.0000000120", "-0.0000000121", "3.0000000000"]


@pytest.mark.parametrize(
    ("total", "parts", "places"),
    [
        # As found: credited beside charged, in flight and available; calls beside their total; a day beside its models.
        ("1.000000000", ["0.000002930", "0.000000000", "0.999997070"], 7),
        ("0.000050000", ["0.000011300", "0.000026400", "0.000012300"], 7),
        ("0.000057400", ["0.000050000", "0.000007400"], 7),
        ("100.000000000", ["12.654321088", "0.000000000", "87.345678912"], 2),
        ("0.01", ["0.005", "0.005"], 3),
        ("0", [], 2),
    ],
)
def test_a_group_has_as_many_decimals_as_it_takes(tmp_path: Path, total: str, parts: list[str], places: int) -> None:
    assert evaluated(tmp_path, "js/lib/money.js", f"m.placesOf([], {json.dumps([[total, parts]])})") == places


NANO = st.one_of(st.integers(0, 99), st.integers(0, 10**6), st.integers(0, 10**12), st.sampled_from([0, 5 * 10**6]))
SIGNED = st.builds(lambda amount, sign: amount * sign, NANO, st.sampled_from([1, 1, 1, -1]))
BOOKS = st.lists(st.lists(SIGNED, max_size=6), min_size=100, max_size=100)


@given(BOOKS)
# Nothing to shrink: a failing book is read as it is, and each try starts node.
@settings(max_examples=10, deadline=None, phases=[Phase.generate])
def test_what_is_shown_together_adds_up_and_hides_nothing(books: list[list[int]]) -> None:
    groups: list[tuple[str, list[str]]] = [
        (f"{Decimal(sum(parts)).scaleb(-9):.9f}", [f"{Decimal(part).scaleb(-9):.9f}" for part in parts])
        for parts in books
    ]
    shown_js = """((books) => books.map(([total, parts]) => {
      const places = m.placesOf([], [[total, parts]]);
      return [places, m.rounded(total, places), parts.map((part) => m.rounded(part, places))];
    }))"""
    with TemporaryDirectory() as folder:
        found = evaluated(Path(folder), "js/lib/money.js", f"{shown_js}({json.dumps(groups)})")
    for (total, parts), (places, shown, shown_parts) in zip(groups, found, strict=True):
        assert sum(map(Decimal, shown_parts)) == Decimal(shown)
        for exact, text in zip([total, *parts], [shown, *shown_parts], strict=True):
            assert Decimal(text) == Decimal(exact).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
            assert len(text.partition(".")[2]) == places
            assert (Decimal(text) == 0) == (Decimal(exact) == 0)
        assert places == 2 or not is_enough(places - 1, total, parts)


def is_enough(places: int, total: str, parts: list[str]) -> bool:
    """The rule again, over decimals: two digits or exact, and rounded parts that add up."""
    step = Decimal(1).scaleb(-places)
    near = [Decimal(amount).quantize(step, ROUND_HALF_UP) for amount in (total, *parts)]
    told = all(
        amount == Decimal(text) or abs(Decimal(text)) >= 10 * step
        for text, amount in zip((total, *parts), near, strict=True)
    )
    return told and sum(near[1:]) == near[0]


def test_figures_that_do_not_add_up_in_fact_are_only_shown(tmp_path: Path) -> None:
    """A page of many calls, a total that was read a moment later: more decimals would not help."""
    assert evaluated(tmp_path, "js/lib/money.js", 'm.placesOf([], [["3.14159", ["1.00001", "1.00001"]]])') == 2


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
