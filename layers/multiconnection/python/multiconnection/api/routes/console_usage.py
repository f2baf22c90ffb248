"""/api/usage: the signed-in user's calls, one by one and by day."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query

from multiconnection.api.console import LIMIT, CursorQuery, HeavyUserDep, LimitQuery, UserDep, list_object
from multiconnection.api.console_services import ConsoleDep
from multiconnection.api.usage_query import FilterDep
from multiconnection.domain.call_times import began_s
from multiconnection.domain.ids import request_id_of
from multiconnection.domain.money import nano_to_usd
from multiconnection.services.console_usage import Explained
from multiconnection.services.price_lines import Line
from multiconnection.services.usage_summary import Group, Totals, by_cost

router = APIRouter()
# The furthest that any place on earth is from UTC.
OFFSET_MIN_MAX = 14 * 60
OffsetQuery = Annotated[int, Query(ge=-OFFSET_MIN_MAX, le=OFFSET_MIN_MAX)]


@router.get("/api/usage")
async def list_usage(
    services: ConsoleDep, user: UserDep, wanted: FilterDep, limit: LimitQuery = LIMIT, cursor: CursorQuery = None
) -> dict[str, Any]:
    """Newest first. A page can be short, or even empty, and still have a next one: go on until there is none."""
    page = await services.console.usage.page(user.account_id, wanted, cursor, limit)
    return list_object([call_object(call) for call in page.calls], page.after)


@router.get("/api/usage/summary")
async def summarise_usage(
    services: ConsoleDep,
    user: HeavyUserDep,
    wanted: FilterDep,
    group: Group | None = None,
    tz_offset_min: OffsetQuery = 0,
) -> dict[str, Any]:
    """Days of the last thirty, or of `from` to `to`; `tz_offset_min` is what their midnight is ahead of UTC's."""
    summary, labels = await services.console.usage.summary(user.account_id, wanted, group, tz_offset_min)
    return {
        "days": [
            {
                "day": name,
                **totals_object(day.totals),
                "groups": [group_object(key, totals, labels) for key, totals in by_cost(day.groups)],
            }
            for name, day in summary.days.items()
        ],
        "total": totals_object(summary.total),
        "truncated": summary.truncated,
    }


@router.get("/api/usage/{request_id}")
async def console_call(request_id: str, services: ConsoleDep, user: UserDep) -> dict[str, Any]:
    return call_object(await services.console.usage.call(user.account_id, request_id))


def call_object(call: Explained) -> dict[str, Any]:
    """`created` is when the call arrived: the order of the list, and what filters and days go by."""
    row = call.row
    return {
        "request_id": request_id_of(row.hold_id),
        "created": began_s(row.hold_id),
        "model": row.model,
        "key_id": row.key_id,
        "endpoint": row.endpoint or None,
        "usage": usage_object(row.usage.as_openai()),
        "lines": [line_object(line) for line in call.lines],
        "cost": nano_to_usd(row.cost),
        "hold": nano_to_usd(row.hold),
        "price_version": row.price_version,
        "ended": row.ended.value,
        "usage_source": row.usage_source.value,
        "why": call.why,
        "streamed": row.streamed,
        "duration_ms": row.duration_ms,
        "provider": row.provider or None,
        "attempts": row.attempts,
        "overrun": nano_to_usd(row.overrun),
    }


def usage_object(usage: dict[str, object]) -> dict[str, object]:
    names = {"size": "image_size", "quality": "image_quality"}
    return {names.get(name, name): value for name, value in usage.items()}


def line_object(line: Line) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "quantity": line.quantity,
        "price": line.price,
        "per": line.per,
        "amount": line.amount,
    }


def group_object(name: str, totals: Totals, labels: Mapping[str, str]) -> dict[str, Any]:
    """A key's name is its id, which is what filters take; `label` is what its owner calls it."""
    return {"name": name, "label": labels.get(name, name), **totals_object(totals)}


def totals_object(totals: Totals) -> dict[str, Any]:
    return {
        "calls": totals.calls,
        "cost": nano_to_usd(totals.cost),
        "tokens_in": totals.tokens_in,
        "tokens_out": totals.tokens_out,
    }
