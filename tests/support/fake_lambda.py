"""A small Lambda: the Runtime API and the Extensions API of one execution environment, one invocation at a time."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from .http_wire import HEAD_BYTES_MAX, Body, Head, read_head, write_answer
from .invocation import Invocation

HOST = "127.0.0.1"
RUNTIME = "/2018-06-01/runtime"
EXTENSIONS = "/2020-01-01/extension"
# Where the role's credentials are with SnapStart; otherwise they are in the environment.
CREDENTIALS = "/2021-04-23/credentials"
CREDENTIALS_TOKEN = "container-token"
FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:chat:live"
TRACE_ID = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0"
FUNCTION_TIMEOUT_S = 900.0

Handler = Callable[[str, Body, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Extension:
    """A registration: the extension's name and what it asked for."""

    name: str
    events: list[str]


@dataclass(slots=True)
class FakeLambda:
    """`start`, `invoke` as often as wanted, `stop`. `on_complete` runs the moment a response is complete."""

    on_complete: Callable[[Invocation], None] | None = None
    extensions: list[Extension] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    credentials_given: int = 0
    _queue: "asyncio.Queue[Invocation]" = field(default_factory=asyncio.Queue)
    _running: dict[str, Invocation] = field(default_factory=dict)
    _connections: "set[asyncio.Task[None]]" = field(default_factory=set)
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connection, HOST, 0, limit=HEAD_BYTES_MAX)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def address(self) -> str:
        """The value of AWS_LAMBDA_RUNTIME_API."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def initialised(self) -> None:
        """Wait until the runtime has asked for its first invocation."""
        await self._asked.wait()

    def begin(self, event: Mapping[str, Any], timeout_s: float = FUNCTION_TIMEOUT_S) -> Invocation:
        """Hand an event out; `timeout_s` is the function's, told as the invocation's deadline."""
        invocation = Invocation(event, int((time.time() + timeout_s) * 1000))
        self._running[invocation.request_id] = invocation
        self._queue.put_nowait(invocation)
        return invocation

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (head := await read_head(reader)) is not None:
                await self._serve(head, Body(reader, head), writer)
        except (ConnectionError, asyncio.IncompleteReadError) as exc:
            self.problems.append(f"{type(exc).__name__}: {exc}")
        except asyncio.CancelledError:
            # By `stop`; asyncio's own server reports a connection that ends in it as an error.
            return
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, head: Head, body: Body, writer: asyncio.StreamWriter) -> None:
        handlers: dict[str, Handler] = {
            f"GET {RUNTIME}/invocation/next": self._next,
            f"POST {RUNTIME}/invocation/([^/]+)/response": self._response,
            f"POST {RUNTIME}/invocation/([^/]+)/error": self._error,
            f"POST {RUNTIME}/init/error": self._init_error,
            f"POST {EXTENSIONS}/register": self._register,
            f"GET {EXTENSIONS}/event/next": self._extension_next,
            f"GET {CREDENTIALS}": self._credentials,
        }
        for pattern, handler in handlers.items():
            if found := re.fullmatch(pattern, f"{head.method} {head.path}"):
                await handler(found[1] if found.groups() else "", body, writer)
                return
        self.problems.append(f"unknown: {head.method} {head.path}")
        await write_answer(writer, 404)

    async def _next(self, _: str, body: Body, writer: asyncio.StreamWriter) -> None:
        await body.read()
        self._asked.set()
        invocation = await self._queue.get()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": FUNCTION_ARN,
            "Lambda-Runtime-Trace-Id": TRACE_ID,
        }
        await write_answer(writer, 200, json.dumps(invocation.event).encode(), headers)

    async def _response(self, request_id: str, body: Body, writer: asyncio.StreamWriter) -> None:
        invocation = self._running.pop(request_id)
        invocation.response_headers = body.head.headers
        async for chunk in body:
            await invocation.came(chunk)
        if self.on_complete is not None:
            self.on_complete(invocation)
        invocation.trailers = body.trailers
        await write_answer(writer, 202, b'{"status":"OK"}')
        await invocation.end()

    async def _error(self, request_id: str, body: Body, writer: asyncio.StreamWriter) -> None:
        report = (await body.read()).decode()
        await write_answer(writer, 202, b'{"status":"OK"}')
        await self._running.pop(request_id).end(error=report)

    async def _init_error(self, _: str, body: Body, writer: asyncio.StreamWriter) -> None:
        self.problems.append(f"init error: {(await body.read()).decode()}")
        await write_answer(writer, 202, b'{"status":"OK"}')

    async def _register(self, _: str, body: Body, writer: asyncio.StreamWriter) -> None:
        name = body.head.headers["lambda-extension-name"]
        self.extensions.append(Extension(name, json.loads(await body.read())["events"]))
        told = {"functionName": "chat", "functionVersion": "1", "handler": "run.sh"}
        await write_answer(writer, 200, json.dumps(told).encode(), {"Lambda-Extension-Identifier": str(uuid4())})

    async def _extension_next(self, _: str, body: Body, __: asyncio.StreamWriter) -> None:
        """An extension that asked for no events waits here for as long as it lives."""
        await body.read()
        await asyncio.Event().wait()

    async def _credentials(self, _: str, body: Body, writer: asyncio.StreamWriter) -> None:
        await body.read()
        if body.head.headers.get("authorization") != CREDENTIALS_TOKEN:
            self.problems.append("credentials asked for without the token")
            await write_answer(writer, 403)
            return
        self.credentials_given += 1
        expires = datetime.now(UTC) + timedelta(hours=6)
        told = {
            "AccessKeyId": "role",
            "SecretAccessKey": "secret",
            "Token": "session",
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        await write_answer(writer, 200, json.dumps(told).encode())
