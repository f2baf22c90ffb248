"""Table Credits: one immutable row per top-up, grant, adjustment or refund."""

from collections.abc import Mapping
from typing import Any

from multiconnection.ledger.accounts import CreditRow

from . import attributes as a
from .driver import Item


def item_key(account_id: str, credit_id: str) -> Item:
    return {"account_id": a.text(account_id), "credit_id": a.text(credit_id)}


def parse(item: Item) -> CreditRow:
    return CreditRow(
        account_id=a.read_text(item, "account_id"),
        credit_id=a.read_text(item, "credit_id"),
        amount=a.read_number(item, "amount"),
        kind=a.read_text(item, "kind"),
        reason=a.read_text(item, "reason"),
        actor=a.read_text(item, "actor"),
        created_ms=a.read_number(item, "created_ms"),
    )


def put_once(table: str, row: CreditRow) -> Mapping[str, Any]:
    """J's part of money-in."""
    return {
        "TableName": table,
        "Item": item_key(row.account_id, row.credit_id)
        | {
            "amount": a.number(row.amount),
            "kind": a.text(row.kind),
            "reason": a.text(row.reason),
            "actor": a.text(row.actor),
            "created_ms": a.number(row.created_ms),
        },
        "ConditionExpression": "attribute_not_exists(account_id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
