"""The calls of this process that hold money right now, so that a process told to stop can settle them first."""

import asyncio


class OpenBills:
    """Opened after a reserve, closed after its settlement."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def opened(self, hold_id: str) -> None:
        self._open.add(hold_id)
        self._idle.clear()

    def closed(self, hold_id: str) -> None:
        self._open.discard(hold_id)
        if not self._open:
            self._idle.set()

    async def drained(self, timeout_s: float) -> int:
        """Wait until none is open; returns how many still are when the time is up (the sweeper ends those)."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return len(self._open)
        return 0
