"""A streamed answer on its way to the client: keep-alives, deadline, in-band errors, and the bill at the end."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace

from multiconnection.domain.errors import InternalError, NoAvailableUpstream, UpstreamTimeout
from multiconnection.domain.gateway_error import GatewayError
from multiconnection.domain.ports import Clock
from multiconnection.domain.usage import Ended, Usage, UsageSource

from .framing import Framing
from .keep_alive import KeepAlive
from .ports import Outcome, UpstreamError, UpstreamStream
from .settlement import Bill

Send = Callable[[bytes], Awaitable[None]]
NOTHING = Outcome(Usage(), UsageSource.NONE, Ended.UPSTREAM_ERROR)
# A client that does not read keeps us no longer than this from settling.
ERROR_EVENT_TIMEOUT_S = 1.0


def deadline_error(advice: str = "") -> UpstreamTimeout:
    message = f"The answer was not complete before the gateway's deadline. {advice}".rstrip()
    return UpstreamTimeout(message, retryable=False)


class StreamedAnswer:
    """Create, `open`, then `relay` exactly once: relay settles the bill whatever happens.

    Without a byte by `first_byte_by_s` a body that has no room for a keep-alive is given up.
    """

    def __init__(
        self,
        bill: Bill,
        opening: Coroutine[None, None, UpstreamStream],
        clock: Clock,
        deadline_s: float,
        keep_alive_s: float,
        framing: Framing,
        first_byte_by_s: float = math.inf,
    ) -> None:
        self.framing = framing
        self._bill = bill
        self._opening = asyncio.ensure_future(opening)
        self._clock = clock
        self._deadline_s = deadline_s
        self._keep_alive_s = keep_alive_s
        self._first_byte_by_s = first_byte_by_s
        self._stream: UpstreamStream | None = None

    async def open(self) -> None:
        """Wait for the first good event, or for so much silence that the answer must start with a keep-alive.

        Raises GatewayError, settled, while a plain HTTP error is still possible.
        """
        remaining_s = self._remaining_s()
        if self.framing.is_events:
            patience_s = min(self._keep_alive_s, remaining_s)
        else:
            patience_s = min(max(0.0, self._first_byte_by_s - self._clock.now()), remaining_s)
        try:
            await asyncio.wait({self._opening}, timeout=patience_s)
        except asyncio.CancelledError:
            await self._abandon()
            raise
        if not self._opening.done():
            await self._open_late()
            return
        try:
            self._stream = self._opening.result()
        except UpstreamError as exc:
            await self._bill.settle(exc.outcome())
            raise exc.error from exc
        except NoAvailableUpstream:
            await self._bill.settle(NOTHING)
            raise
        except BaseException:
            await self._bill.settle(replace(NOTHING, ended=Ended.INTERNAL_ERROR))
            raise

    async def relay(self, send: Send) -> bool:
        """Forward everything to `send`, then an error event where the answer is not whole, then settle.

        False when what was sent is not whole and could not say so: the body must then not end cleanly.
        """
        interval_s = self._keep_alive_s if self.framing.is_events else None
        keep_alive = KeepAlive(send, interval_s, started_silent=self._stream is None)
        outcome = replace(NOTHING, ended=Ended.INTERNAL_ERROR, error=InternalError("The gateway failed in mid-stream."))
        try:
            outcome = await self._forward(keep_alive)
        except asyncio.CancelledError:
            outcome = self._known(Ended.DEADLINE, deadline_error())
            raise
        finally:
            keep_alive.stop()
            await self._finish(outcome, send)
        return outcome.error is None or self.framing.is_events

    async def _forward(self, keep_alive: KeepAlive) -> Outcome:
        try:
            async with asyncio.timeout(self._remaining_s()):
                if self._stream is None:
                    self._stream = await self._opening
                async for chunk in self._stream:
                    await keep_alive.send(chunk)
        except UpstreamError as exc:
            return exc.outcome()
        except NoAvailableUpstream as exc:
            return replace(NOTHING, error=exc)
        except TimeoutError:
            return self._known(Ended.DEADLINE, deadline_error())
        return self._stream.outcome()

    async def _finish(self, outcome: Outcome, send: Send) -> None:
        """Tell the client, then settle, then hang up: each of them also when the one before it failed."""
        try:
            await self._tell(outcome, send)
        finally:
            try:
                await self._bill.settle(outcome)
            finally:
                await self._abandon_upstream()

    async def _open_late(self) -> None:
        """Events start with a keep-alive; a body without room for one has no answer by the deadline."""
        if not self.framing.is_events:
            await self._abandon()
            raise deadline_error()

    async def _tell(self, outcome: Outcome, send: Send) -> None:
        if outcome.error is not None and self.framing.error is not None:
            # A client that does not read gets an unfinished stream without [DONE]; the bill is settled all the same.
            with suppress(OSError):
                async with asyncio.timeout(ERROR_EVENT_TIMEOUT_S):
                    await send(self.framing.error(outcome.error))

    def _known(self, ended: Ended, error: GatewayError) -> Outcome:
        """What is known of an answer that we end ourselves."""
        if self._stream is None:
            return Outcome(Usage(), UsageSource.NONE, ended, error)
        known = self._stream.outcome()
        return known if known.ended is Ended.COMPLETE else replace(known, ended=ended, error=error)

    def _remaining_s(self) -> float:
        return max(0.0, self._deadline_s - self._clock.now())

    async def _abandon(self) -> None:
        await self._bill.settle(self._known(Ended.DEADLINE, deadline_error()))
        await self._abandon_upstream()

    async def _abandon_upstream(self) -> None:
        """Also a stream that was opened in the moment before its request was cancelled."""
        self._opening.cancel()
        opened = self._opening.done() and not self._opening.cancelled() and self._opening.exception() is None
        stream = self._opening.result() if opened else self._stream
        if stream is not None:
            await stream.aclose()
