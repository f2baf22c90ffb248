"""Calls as CSV: exact, readable by any program, harmless in any spreadsheet."""

import csv
import io
from dataclasses import replace

import pytest

from multiconnection.history.service import COLUMNS, csv_header, csv_rows
from multiconnection.ids import id_bound
from multiconnection.ledger.models import UsageRow
from multiconnection.usage import USAGE_COUNTS, Usage
from tests.support.usage_rows import usage_row

pytestmark = pytest.mark.virtual_time


def read(*rows: UsageRow) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((csv_header() + csv_rows(rows)).decode(), newline="")))


def test_figures_are_exact_and_times_are_iso() -> None:
    usage = Usage(input=512, cached_input=1, output=256, milliseconds=12_005, image_size="1024x1024")
    (found,) = read(replace(usage_row(), hold_id=id_bound(1_800_000_000) + "abcdef", usage=usage, overrun=1))
    assert (
        found.items()
        >= {
            "request_id": f"req_{id_bound(1_800_000_000)}abcdef",
            "created": "2027-01-15T08:00:00Z",
            "model": "gpt-4.1",
            "input": "512",
            "cached_input": "1",
            "output": "256",
            "seconds": "12.005",
            "image_size": "1024x1024",
            "cost_usd": "0.000123456",
            "hold_usd": "0.002000000",
            "overrun_usd": "0.000000001",
            "streamed": "true",
            "ended": "complete",
            "usage_source": "upstream",
        }.items()
    )


def test_every_count_has_a_column() -> None:
    assert set(USAGE_COUNTS) - set(COLUMNS) == {"milliseconds"}
    assert len(set(COLUMNS)) == len(COLUMNS)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_is_a_formula(start: str) -> None:
    (found,) = read(replace(usage_row(), model=f"{start}cmd|' /C calc'!A0", provider=start))
    assert found["model"] == f"'{start}cmd|' /C calc'!A0"
    assert found["provider"] == f"'{start}"


def test_commas_quotes_and_lines_stay_in_their_cell() -> None:
    model = 'a,"b"\nc é\ud800'
    (found,) = read(replace(usage_row(), model=model))
    assert found["model"] == model.replace("\ud800", "?")
    assert found["cost_usd"] == "0.000123456"
