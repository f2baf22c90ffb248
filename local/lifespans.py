"""Running the ASGI lifespans of several mounted apps as one: started in order, stopped in reverse."""

import asyncio
from collections.abc import Iterable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Send


class LifespanError(RuntimeError):
    """An app could not start, or could not stop cleanly."""


class Lifespan:
    """One app's lifespan, in a task of its own as the protocol wants; `state` is what the app left for its requests."""

    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises LifespanError. An app that returns without a word has no lifespan, which is allowed."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        self._task = asyncio.ensure_future(self._run(scope))
        await self._exchange("startup")

    async def stop(self) -> None:
        """Raises LifespanError."""
        if self._task is None:
            return
        if not self._task.done():
            await self._exchange("shutdown")
        await self._ended("shutdown", self._task)

    async def _run(self, scope: dict[str, Any]) -> None:
        try:
            await self._app(scope, self._to_app.get, self._from_app.put)
        finally:
            # Wakes the caller that waits for an app that ended without an answer.
            self._from_app.put_nowait({"type": "ended"})

    async def _exchange(self, phase: str) -> None:
        assert self._task is not None
        await self._to_app.put({"type": f"lifespan.{phase}"})
        answer = await self._from_app.get()
        if answer["type"] == f"lifespan.{phase}.complete":
            return
        await self._ended(phase, self._task)
        if answer["type"] != "ended":
            raise LifespanError(f"{phase} failed: {answer.get('message', '')}")

    @staticmethod
    async def _ended(phase: str, task: asyncio.Task[None]) -> None:
        await asyncio.wait({task})
        error = task.exception()
        if error:
            raise LifespanError(f"{phase} failed: {type(error).__name__}: {error}") from error


class Lifespans:
    """All of them. An app mounted twice is started once."""

    def __init__(self, apps: Iterable[ASGIApp]) -> None:
        self._spans = {id(app): Lifespan(app) for app in apps}
        self._started: list[Lifespan] = []

    def state(self, app: ASGIApp) -> dict[str, Any]:
        return self._spans[id(app)].state

    async def serve(self, receive: Receive, send: Send) -> None:
        """The server's side of the protocol: one answer to its startup, one to its shutdown."""
        await receive()
        try:
            await self._start()
        except LifespanError as exc:
            await send({"type": "lifespan.startup.failed", "message": str(exc)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        failures = await self._stop()
        answer = {"type": "lifespan.shutdown.failed", "message": "; ".join(failures)}
        await send(answer if failures else {"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        for span in self._spans.values():
            try:
                await span.start()
            except LifespanError:
                await self._stop()
                raise
            self._started.append(span)

    async def _stop(self) -> list[str]:
        """Stops every started app, whatever the others do; the messages of those that failed."""
        failures = []
        while self._started:
            try:
                await self._started.pop().stop()
            except LifespanError as exc:
                failures.append(str(exc))
        return failures
