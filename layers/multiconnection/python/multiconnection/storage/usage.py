"""Table Usage: one immutable row per call, written once by whoever decides first."""

from collections.abc import Mapping
from typing import Any

from multiconnection.domain.usage import USAGE_COUNTS, USAGE_WORDS, Ended, Usage, UsageSource
from multiconnection.ledger.accounts import UsageRow

from . import attributes as a
from .driver import Item

_TEXTS = ("key_id", "model", "decided_by", "provider", "endpoint")
_NUMBERS = ("birth", "hold", "cost", "overrun", "price_version", "created_ms", "attempts", "duration_ms")
_MARKUP = "markup_basis_points"


def item_key(account_id: str, hold_id: str) -> Item:
    return {"account_id": a.text(account_id), "request_id": a.text(hold_id)}


def to_item(row: UsageRow) -> Item:
    return {
        **item_key(row.account_id, row.hold_id),
        **{name: a.text(getattr(row, name)) for name in _TEXTS},
        **{name: a.number(getattr(row, name)) for name in _NUMBERS},
        "usage": a.numbers(row.usage.nonzero()),
        **{name: a.text(value) for name, value in row.usage.words().items()},
        "usage_source": a.text(row.usage_source.value),
        "ended": a.text(row.ended.value),
        "streamed": a.flag(row.streamed),
        **({_MARKUP: a.number(row.markup_basis_points)} if row.markup_basis_points else {}),
        **({"secret": a.text(row.secret)} if row.secret else {}),
    }


def parse(item: Item) -> UsageRow:
    usage: dict[str, Any] = {name: a.read_text(item, name) for name in USAGE_WORDS}
    usage |= {name: value for name, value in a.read_numbers(item, "usage").items() if name in USAGE_COUNTS}
    return UsageRow(
        account_id=a.read_text(item, "account_id"),
        hold_id=a.read_text(item, "request_id"),
        usage=Usage(**usage),
        usage_source=UsageSource(a.read_text(item, "usage_source")),
        ended=Ended(a.read_text(item, "ended")),
        streamed=a.read_flag(item, "streamed"),
        birth=a.read_number(item, "birth"),
        hold=a.read_number(item, "hold"),
        cost=a.read_number(item, "cost"),
        overrun=a.read_number(item, "overrun"),
        price_version=a.read_number(item, "price_version"),
        created_ms=a.read_number(item, "created_ms"),
        attempts=a.read_number(item, "attempts"),
        duration_ms=a.read_number(item, "duration_ms"),
        key_id=a.read_text(item, "key_id"),
        model=a.read_text(item, "model"),
        decided_by=a.read_text(item, "decided_by"),
        provider=a.read_text(item, "provider"),
        endpoint=a.read_text(item, "endpoint"),
        markup_basis_points=a.read_number_or_none(item, _MARKUP) or 0,
        secret=a.read_text(item, "secret"),
    )


def decide(table: str, row: UsageRow) -> Mapping[str, Any]:
    """D: first writer wins; the loser gets the winner's row in the same round trip."""
    return {
        "TableName": table,
        "Item": to_item(row),
        "ConditionExpression": "attribute_not_exists(account_id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
