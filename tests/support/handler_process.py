"""A function's real handler in a process of its own, with its own environment, answering event after event.

`python -m tests.support.handler_process functions.models.app` reads events and writes results, one JSON line each.
"""

import asyncio
import base64
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from local.invocations import LocalContext
from local.lifespans import Lifespan

Event: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[Event, Any], Any]
ROOT = Path(__file__).parents[2]
REMAINING_MS = 60_000
REQUEST_ID = "5f0e9a3c-0000-4000-8000-000000000000"


class HandlerProcess:
    """Stop it after use."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, module],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def invoke(self, event: Event) -> Any:
        """Raises AssertionError when the handler failed; its traceback is on standard error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(event) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the handler failed"
        return json.loads(line)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.communicate(timeout=60)


class StreamedApp:
    """An app without a handler, called as the Lambda Web Adapter does."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._runner = asyncio.Runner()
        self._lifespan = Lifespan(app)
        self._runner.run(self._lifespan.start())

    def __call__(self, event: Event, _context: Any) -> Any:
        return self._runner.run(self._serve(event))

    def close(self) -> None:
        self._runner.run(self._lifespan.stop())
        self._runner.close()

    async def _serve(self, event: Event) -> Event:
        pending = [{"type": "http.request", "body": body_of(event), "more_body": False}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return pending.pop() if pending else await asyncio.Future()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(scope_of(event), receive, send)
        headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return {"statusCode": sent[0]["status"], "headers": headers, **encoded(body, headers)}


def body_of(event: Event) -> bytes:
    body: str = event["body"] or ""
    return base64.b64decode(body) if event["isBase64Encoded"] else body.encode()


def encoded(body: bytes, headers: Mapping[str, str]) -> Event:
    """As a buffered function answers: audio in base64."""
    binary = headers.get("content-type", "").startswith("audio/")
    return {"body": base64.b64encode(body).decode() if binary else body.decode(), "isBase64Encoded": binary}


def scope_of(event: Event) -> Event:
    """The request that the adapter makes of an event of API Gateway: its context comes in two headers."""
    context = {"request_id": REQUEST_ID, "deadline": int(time.time() * 1000) + REMAINING_MS}
    headers = {
        **event["headers"],
        "x-amzn-request-context": json.dumps(event["requestContext"]),
        "x-amzn-lambda-context": json.dumps(context),
    }
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": event["httpMethod"],
        "scheme": "http",
        "path": event["path"],
        "raw_path": event["path"].encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8080),
    }


def main(module: ModuleType) -> None:
    streamed = None if hasattr(module, "handler") else StreamedApp(module.app)
    handler: Handler = streamed or module.handler
    for line in sys.stdin:
        context = LocalContext(module.__name__, REMAINING_MS / 1000, aws_request_id=REQUEST_ID)
        print(json.dumps(handler(json.loads(line), context)), flush=True)
    if streamed:
        streamed.close()


if __name__ == "__main__":
    main(importlib.import_module(sys.argv[1]))
