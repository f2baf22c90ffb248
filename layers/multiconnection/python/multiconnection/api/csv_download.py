"""A table on its way out while it is being read; the body ends cleanly only when the table is whole."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from multiconnection.domain.gateway_error import GatewayError

log = logging.getLogger(__name__)


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
