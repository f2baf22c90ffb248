"""An ASGI app that answers with what reached it and keeps a log of its lifespan."""

import json
from typing import Any

from starlette.types import Receive, Scope, Send


class Echo:
    """Answers with what reached it; `log` records its lifespan."""

    def __init__(self, name: str, log: list[str] | None = None, state: dict[str, Any] | None = None) -> None:
        self.name = name
        self.log = [] if log is None else log
        self.state = state or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        body = await read_body(receive)
        seen = {
            "app": self.name,
            "method": scope["method"],
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
            "state": scope["state"],
            "length": len(body),
        }
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(seen).encode()})

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        for phase in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{phase}"
            self.log.append(f"{self.name} {phase}")
            scope["state"].update(self.state)
            await send({"type": f"lifespan.{phase}.complete"})


async def read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)
