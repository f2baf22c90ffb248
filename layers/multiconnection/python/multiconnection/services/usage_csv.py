"""Usage rows as CSV: exact figures, ISO 8601 times in UTC, and no cell that a spreadsheet would run."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime

from multiconnection.domain.call_times import began_s
from multiconnection.domain.ids import request_id_of
from multiconnection.domain.money import nano_to_usd
from multiconnection.domain.usage import USAGE_COUNTS
from multiconnection.ledger.accounts import UsageRow

# A text that begins with one of these is a formula to a spreadsheet.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
# Disjoint: each token is in one column; `reasoning` alone is inside `output`.
_COUNTS = tuple(name for name in USAGE_COUNTS if name != "milliseconds")
COLUMNS = (
    "request_id",
    "created",
    "model",
    "key_id",
    "endpoint",
    "streamed",
    *_COUNTS,
    "seconds",
    "image_size",
    "image_quality",
    "cost_usd",
    "hold_usd",
    "overrun_usd",
    "price_version",
    "ended",
    "usage_source",
    "provider",
    "attempts",
    "duration_ms",
)


def header() -> bytes:
    return _lines([COLUMNS])


def lines(rows: Iterable[UsageRow]) -> bytes:
    return _lines(_cells(row) for row in rows)


def _cells(row: UsageRow) -> Iterable[str | int]:
    usage = row.usage
    cells: tuple[str | int, ...] = (
        request_id_of(row.hold_id),
        datetime.fromtimestamp(began_s(row.hold_id), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        row.model,
        row.key_id,
        row.endpoint,
        "true" if row.streamed else "false",
        *(getattr(usage, name) for name in _COUNTS),
        f"{usage.milliseconds // 1000}.{usage.milliseconds % 1000:03d}",
        usage.image_size,
        usage.image_quality,
        nano_to_usd(row.cost),
        nano_to_usd(row.hold),
        nano_to_usd(row.overrun),
        row.price_version,
        row.ended.value,
        row.usage_source.value,
        row.provider,
        row.attempts,
        row.duration_ms,
    )
    return [_harmless(cell) if isinstance(cell, str) else cell for cell in cells]


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _lines(rows: Iterable[Iterable[str | int]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")
