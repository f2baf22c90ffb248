"""/v1/usage and /v1/balance for API callers; /api/usage for the console, one by one, by day and as CSV."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from multiconnection.errors import GatewayError, RequestInvalid
from multiconnection.identity.browser import LIMIT, CursorQuery, HeavyUserDep, LimitQuery, UserDep
from multiconnection.ids import TIME_MAX
from multiconnection.keys.authenticate import CallerDep
from multiconnection.usage import Ended
from multiconnection.web.context import service
from multiconnection.web.openapi import Page, refuses

from .models import Group, UsageFilter
from .schemas import BalanceAnswer, CallAnswer, SummaryAnswer, UsageRowAnswer
from .service import CallHistory, UsageService

# The furthest that any place on earth is from UTC.
OFFSET_MIN_MAX = 14 * 60
FILENAME = "usage.csv"
log = logging.getLogger(__name__)

HistoryDep = Annotated[CallHistory, service("history")]
UsageDep = Annotated[UsageService, service("usage")]
NameQuery = Annotated[str | None, Query(min_length=1, max_length=256)]
OffsetQuery = Annotated[int, Query(ge=-OFFSET_MIN_MAX, le=OFFSET_MIN_MAX)]
router = APIRouter(prefix="/v1", tags=["Usage"])
console_router = APIRouter(tags=["Usage"])
export_router = APIRouter(tags=["Usage"])


async def usage_filter(
    since_s: Annotated[int, Query(alias="from", ge=0, le=TIME_MAX)] = 0,
    until_s: Annotated[int, Query(alias="to", ge=0, le=TIME_MAX)] = TIME_MAX,
    model: NameQuery = None,
    key_id: NameQuery = None,
    ended: Ended | None = None,
) -> UsageFilter:
    """The filter of list, summary and download: epoch seconds, `to` exclusive, by the time a call arrived.

    Raises RequestInvalid.
    """
    if since_s >= until_s:
        raise RequestInvalid("'from' must be before 'to'.", param="from")
    return UsageFilter(since_s, until_s, model, key_id, ended)


FilterDep = Annotated[UsageFilter, Depends(usage_filter)]


class CsvDownload(Response):
    """A table that is sent while it is being read. `first` has been read before, so that an early failure has a status.

    A later failure cuts the body: the server closes the connection of a response that was never completed, and no
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


@router.get("/usage/{request_id}", summary="What one call cost", responses=refuses(404))
async def retrieve_usage(request_id: str, usage: UsageDep, caller: CallerDep) -> UsageRowAnswer:
    """The usage row of a call, by the `x-request-id` of its answer."""
    return UsageRowAnswer.of(await usage.row(caller.account_id, request_id))


@router.get("/balance", summary="Available balance, and what is in flight")
async def retrieve_balance(usage: UsageDep, caller: CallerDep) -> BalanceAnswer:
    """Two figures, never one: what can be spent now, and what running calls have set aside."""
    return BalanceAnswer.of(await usage.account(caller.account_id))


@console_router.get("/api/usage", summary="List your calls")
async def list_usage(
    history: HistoryDep, user: UserDep, wanted: FilterDep, limit: LimitQuery = LIMIT, cursor: CursorQuery = None
) -> Page[CallAnswer]:
    """Newest first. A page can be short, or even empty, and still have a next one: go on until there is none."""
    page = await history.page(user.account_id, wanted, cursor, limit)
    return Page(data=[CallAnswer.of(call) for call in page.calls], next_cursor=page.after)


@console_router.get("/api/usage/summary", summary="Your usage by day")
async def summarise_usage(
    history: HistoryDep,
    user: HeavyUserDep,
    wanted: FilterDep,
    group: Group | None = None,
    tz_offset_min: OffsetQuery = 0,
) -> SummaryAnswer:
    """The last thirty days, or `from` to `to`; `tz_offset_min` is how far their midnight is ahead of UTC's."""
    return SummaryAnswer.of(await history.summary(user.account_id, wanted, group, tz_offset_min))


@console_router.get("/api/usage/{request_id}", summary="One of your calls", responses=refuses(404))
async def retrieve_call(request_id: str, history: HistoryDep, user: UserDep) -> CallAnswer:
    return CallAnswer.of(await history.call(user.account_id, request_id))


@export_router.get(
    "/api/usage.csv",
    status_code=200,
    summary="Download your calls",
    response_class=CsvDownload,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def download_usage(history: HistoryDep, user: HeavyUserDep, wanted: FilterDep) -> CsvDownload:
    """Newest first; a year at most, which is also the default range."""
    chunks = history.csv(user.account_id, wanted)
    return CsvDownload(await anext(chunks), chunks, FILENAME)
