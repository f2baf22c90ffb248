"""/api/balance and /api/credits: the signed-in user's money, and where it came from."""

from typing import Any

from fastapi import APIRouter

from multiconnection.api.console import LIMIT, CursorQuery, LimitQuery, UserDep, list_object
from multiconnection.api.console_services import ConsoleDep
from multiconnection.domain.money import nano_to_usd
from multiconnection.ledger.accounts import CreditRow

router = APIRouter()


@router.get("/api/balance")
async def console_balance(services: ConsoleDep, user: UserDep) -> dict[str, Any]:
    """`credits_in` is `available` + `in_flight` + `charged`, exactly."""
    balance = await services.console.money.balance(user.account_id)
    return {
        "currency": "USD",
        "available": nano_to_usd(balance.available),
        "in_flight": nano_to_usd(balance.in_flight),
        "credits_in": nano_to_usd(balance.credits_in),
        "charged": nano_to_usd(balance.charged),
    }


@router.get("/api/credits")
async def list_credits(
    services: ConsoleDep, user: UserDep, limit: LimitQuery = LIMIT, cursor: CursorQuery = None
) -> dict[str, Any]:
    """Newest first."""
    page = await services.console.money.credits(user.account_id, cursor, limit)
    return list_object([credit_object(row) for row in page.rows], page.after)


def credit_object(row: CreditRow) -> dict[str, Any]:
    return {
        "id": row.credit_id,
        "kind": row.kind,
        "amount": nano_to_usd(row.amount),
        "note": row.reason,
        "created": row.created_ms // 1000,
        # An order is credited under its own id, which is what makes it happen once.
        "order_id": row.credit_id if row.kind == "order" else None,
    }
