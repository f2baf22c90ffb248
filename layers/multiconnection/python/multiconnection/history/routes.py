"""/api/usage: the signed-in user's calls, one by one and by day."""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from multiconnection.errors import GatewayError, RequestInvalid
from multiconnection.identity.browser import LIMIT, CursorQuery, HeavyUserDep, LimitQuery, UserDep, list_object
from multiconnection.ids import TIME_MAX, began_s, request_id_of
from multiconnection.keys.authenticate import CallerDep
from multiconnection.ledger.models import UsageRow
from multiconnection.money import nano_to_usd
from multiconnection.usage import Ended
from multiconnection.web.context import service

from .price_lines import Line
from .service import ConsoleUsage, Explained, Group, Totals, UsageFilter, UsageService, by_cost

HistoryDep = Annotated[ConsoleUsage, service("history")]
UsageDep = Annotated[UsageService, service("usage")]

console_router = APIRouter()
# The furthest that any place on earth is from UTC.
OFFSET_MIN_MAX = 14 * 60
OffsetQuery = Annotated[int, Query(ge=-OFFSET_MIN_MAX, le=OFFSET_MIN_MAX)]


# The filters that the list, the summary and the download of calls have in common.

NameQuery = Annotated[str | None, Query(min_length=1, max_length=256)]


async def usage_filter(
    since_s: Annotated[int, Query(alias="from", ge=0, le=TIME_MAX)] = 0,
    until_s: Annotated[int, Query(alias="to", ge=0, le=TIME_MAX)] = TIME_MAX,
    model: NameQuery = None,
    key_id: NameQuery = None,
    ended: Ended | None = None,
) -> UsageFilter:
    """Epoch seconds, `to` exclusive, by the time a call arrived. Raises RequestInvalid."""
    if since_s >= until_s:
        raise RequestInvalid("'from' must be before 'to'.", param="from")
    return UsageFilter(since_s, until_s, model, key_id, ended)


FilterDep = Annotated[UsageFilter, Depends(usage_filter)]


@console_router.get("/api/usage")
async def list_usage(
    history: HistoryDep, user: UserDep, wanted: FilterDep, limit: LimitQuery = LIMIT, cursor: CursorQuery = None
) -> dict[str, Any]:
    """Newest first. A page can be short, or even empty, and still have a next one: go on until there is none."""
    page = await history.page(user.account_id, wanted, cursor, limit)
    return list_object([call_object(call) for call in page.calls], page.after)


@console_router.get("/api/usage/summary")
async def summarise_usage(
    history: HistoryDep,
    user: HeavyUserDep,
    wanted: FilterDep,
    group: Group | None = None,
    tz_offset_min: OffsetQuery = 0,
) -> dict[str, Any]:
    """Days of the last thirty, or of `from` to `to`; `tz_offset_min` is what their midnight is ahead of UTC's."""
    summary, labels = await history.summary(user.account_id, wanted, group, tz_offset_min)
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


@console_router.get("/api/usage/{request_id}")
async def console_call(request_id: str, history: HistoryDep, user: UserDep) -> dict[str, Any]:
    return call_object(await history.call(user.account_id, request_id))


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


# GET /v1/usage/{request_id} and GET /v1/balance: what a call cost, and what is left.

router = APIRouter()


@router.get("/v1/usage/{request_id}")
async def retrieve_usage(request_id: str, usage: UsageDep, caller: CallerDep) -> dict[str, Any]:
    """The caller's own usage row of one call, by the `x-request-id` of its answer."""
    return usage_row_object(await usage.row(caller.account_id, request_id))


@router.get("/v1/balance")
async def retrieve_balance(usage: UsageDep, caller: CallerDep) -> dict[str, Any]:
    """Two figures, never one: what can be spent now, and what calls in flight have set aside."""
    account = await usage.account(caller.account_id)
    return {
        "object": "balance",
        "currency": "USD",
        "available": nano_to_usd(account.available),
        "in_flight": nano_to_usd(account.held),
    }


def usage_row_object(row: UsageRow) -> dict[str, Any]:
    """A usage row on the wire; money as decimal strings in USD, to the nano-dollar."""
    return {
        "object": "usage",
        "request_id": request_id_of(row.hold_id),
        "model": row.model,
        "usage": row.usage.as_openai(),
        "cost": nano_to_usd(row.cost),
        "currency": "USD",
        "price_version": row.price_version,
        "ended": row.ended.value,
        "usage_source": row.usage_source.value,
        "created": row.created_ms // 1000,
        "key_id": row.key_id,
        "provider": row.provider or None,
        "attempts": row.attempts,
        "streamed": row.streamed,
        "duration_ms": row.duration_ms,
        "endpoint": row.endpoint or None,
        "overrun": nano_to_usd(row.overrun),
    }


# GET /api/usage.csv: all of the signed-in user's calls that a filter lets through, streamed.

export_router = APIRouter()
FILENAME = "usage.csv"


# A table on its way out while it is being read; the body ends cleanly only when the table is whole.


class CsvDownload(Response):
    """`first` has been read before, so that what fails at once is an answer of its own.

    What fails later cuts the body: the server closes the connection of a response that was never completed, and no
    program takes a part of the table for the whole.
    """

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None], filename: str) -> None:
        super().__init__()
        self._first = first
        self._rest = rest
        self._start = [
            (b"content-type", b"text/csv; charset=utf-8"),
            (b"content-disposition", f'attachment; filename="{filename}"'.encode("latin-1")),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
            (b"x-content-type-options", b"nosniff"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        async with aclosing(self._rest) as rest:
            await send({"type": "http.response.start", "status": 200, "headers": self._start})
            await send({"type": "http.response.body", "body": self._first, "more_body": True})
            try:
                async for chunk in rest:
                    if await request.is_disconnected():
                        return
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except GatewayError as exc:
                log.warning("download_cut", extra={"error": exc.code})
                return
            await send({"type": "http.response.body", "body": b"", "more_body": False})


@export_router.get("/api/usage.csv")
async def download_usage(history: HistoryDep, user: HeavyUserDep, wanted: FilterDep) -> CsvDownload:
    """Newest first; a year at most, which is also what no range means."""
    chunks = history.csv(user.account_id, wanted)
    return CsvDownload(await anext(chunks), chunks, FILENAME)


log = logging.getLogger(__name__)
