"""The gateway is killed in the middle of speech: nobody hears a clean end, and nothing stays held."""

import asyncio
import os
import signal
from pathlib import Path

from tests.e2e.support.customers import demo_customer
from tests.e2e.support.many_streams import LongStream, disturbed
from tests.e2e.support.stack import LocalStack
from tests.e2e.support.waiting import until

STREAMS = 10
REVIVED_S = 30
# One piece of audio every 300 ms, more than eight of them.
BARE = {"model": "tts-1", "voice": "alloy", "input": "one two three", "demo": {"delay_ms": 300}}
EVENTS = BARE | {"model": "gpt-4o-mini-tts", "stream_format": "sse"}


def test_a_gateway_killed_in_the_middle_of_speech_leaves_no_hold_after_the_sweep(tmp_path: Path) -> None:
    with LocalStack(tmp_path / "local") as stack:
        customer, gateway = demo_customer(stack), stack.run["pids"]["gateway"]

        async def kill() -> None:
            os.kill(gateway, signal.SIGKILL)

        asked = [LongStream("/audio/speech", BARE if number % 2 else EVENTS) for number in range(STREAMS)]
        streams = asyncio.run(disturbed(customer, asked, kill))

        assert all(stream.broken for stream in streams), "killed, and it looked whole"
        assert not any("speech.audio.done" in stream.body for stream in streams)
        until(lambda: stack.run["pids"]["gateway"] != gateway, REVIVED_S, "the gateway was started again")
        assert stack.cli("account", "show", customer.account_id)["live_holds"] == STREAMS
        swept = stack.cli("sweep", "--at", "+1h")
        assert (swept["ended"], swept["failed"], swept["waiting"]) == (STREAMS, 0, 0)
        assert stack.assert_books_are_right()["usage_rows"] == STREAMS
        rows = {row["request_id"]: row for row in stack.cli("usage", "list", customer.account_id)}
        assert {rows[stream.request_id]["ended"] for stream in streams} == {"killed"}
        assert customer.post("/audio/speech", json=BARE | {"demo": {}}).status_code == 200
