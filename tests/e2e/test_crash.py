"""The gateway is killed in the middle of 50 streams: it comes back, and no nano-dollar is lost."""

import asyncio
import os
import signal
from pathlib import Path

from tests.e2e.support.customers import Customer, demo_customer
from tests.e2e.support.many_streams import LongStream, disturbed
from tests.e2e.support.stack import LocalStack
from tests.e2e.support.waiting import until

STREAMS = 50
WHOLE_CALLS = 10
REVIVED_S = 30


def killed_in_midstream(customer: Customer) -> list[LongStream]:
    gateway = customer.stack.run["pids"]["gateway"]

    async def kill() -> None:
        os.kill(gateway, signal.SIGKILL)

    return asyncio.run(disturbed(customer, STREAMS, kill))


def test_a_gateway_killed_in_the_middle_of_50_streams_is_replaced_and_the_books_are_right(tmp_path: Path) -> None:
    with LocalStack(tmp_path / "local") as stack:
        customer = demo_customer(stack)
        before = stack.run["pids"]
        whole = [customer.chat().headers["x-request-id"] for _ in range(WHOLE_CALLS)]

        streams = killed_in_midstream(customer)

        assert all(stream.broken and not stream.whole for stream in streams)
        until(lambda: stack.run["pids"]["gateway"] != before["gateway"], REVIVED_S, "the gateway was started again")
        assert stack.run["pids"]["supervisor"] == before["supervisor"]
        assert customer.chat().status_code == 200
        assert stack.cli("account", "show")["live_holds"] == STREAMS

        # Nothing is swept before its time.
        swept = stack.cli("sweep")
        assert (swept["ended"], swept["orders"]["failed"]) == (0, 0)
        swept = stack.cli("sweep", "--at", "+1h")
        assert (swept["ended"], swept["failed"], swept["waiting"]) == (STREAMS, 0, 0)
        totals = stack.assert_books_are_right()
        assert totals["usage_rows"] == STREAMS + WHOLE_CALLS + 1

        rows = {row["request_id"]: row for row in stack.cli("usage", "list", "--limit", "1000")}
        assert {rows[stream.request_id]["ended"] for stream in streams} == {"killed"}
        assert {rows[request_id]["ended"] for request_id in whole} == {"complete"}
        assert stack.cli("sweep", "--at", "+1h")["ended"] == 0
