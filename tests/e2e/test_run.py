"""`make run` from start to stop: kept state, a port in use, a second start, SIGTERM while calls are open."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from local.processes import HOST, free_port
from tests.e2e.support.customers import demo_customer
from tests.e2e.support.events import events_of
from tests.e2e.support.many_streams import disturbed
from tests.e2e.support.stack import ROOT, LocalStack

STREAMS = 10


def test_a_second_run_keeps_account_key_balance_and_rows(tmp_path: Path) -> None:
    with LocalStack(tmp_path / "local") as first:
        customer = demo_customer(first)
        answer = customer.chat()
        row, balance, key = customer.usage(answer), customer.balance(), customer.api_key
    assert first.cli("account", "show")["available"] == balance["available"], "the commands work without the stack"

    with LocalStack(tmp_path / "local") as second:
        again = demo_customer(second)
        assert (again.api_key, again.balance()) == (key, balance)
        assert again.usage(answer) == row
        assert again.chat().status_code == 200
        second.assert_books_are_right()


def test_a_port_in_use_is_said_and_another_one_taken(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with LocalStack(tmp_path / "local", port=port) as stack:
            assert f"PORT {port} is in use" in stack.output
            assert f":{port}/" not in stack.base_url
            assert demo_customer(stack).chat().status_code == 200


def test_a_second_start_on_the_same_state_refuses_and_does_no_harm(stack: LocalStack) -> None:
    second = LocalStack(stack.folder, port=free_port())
    assert second.start_expecting_refusal() == 1
    assert f"running already: {stack.base_url}" in second.output
    assert demo_customer(stack).chat().status_code == 200


def test_sigterm_during_open_streams_ends_them_in_band_and_settles_them(tmp_path: Path) -> None:
    with LocalStack(tmp_path / "local") as stack:
        customer = demo_customer(stack)
        supervisor = stack.run["pids"]["supervisor"]

        async def terminate() -> None:
            os.kill(supervisor, signal.SIGTERM)

        streams = asyncio.run(disturbed(customer, STREAMS, terminate))
    for stream in streams:
        events = events_of(stream.body)
        assert not events.done
        assert events.error is not None, "a stream that was ended must not look whole"
    # Every call was settled on the way down: nothing is left for the sweeper.
    totals = stack.assert_books_are_right()
    rows = stack.cli("usage", "list")
    assert totals["usage_rows"] == STREAMS
    assert {row["request_id"] for row in rows} == {stream.request_id for stream in streams}
    assert {row["ended"] for row in rows} == {"deadline"}


def test_everything_listens_on_this_machine_only(stack: LocalStack) -> None:
    listening = [
        connection.laddr.ip
        for process in stack.processes()
        for connection in process.net_connections(kind="inet")
        if connection.status == "LISTEN"
    ]
    assert len(listening) >= 3
    assert set(listening) == {HOST}


def test_commands_say_what_is_wrong_and_print_no_traceback(tmp_path: Path, stack: LocalStack) -> None:
    assert "no account" in stack.cli("account", "show", "nobody", exit_code=2)
    missing = LocalStack(tmp_path / "nothing")
    assert "make run" in missing.cli("reconcile", exit_code=2)


def test_a_bad_setting_stops_the_start_and_is_named(tmp_path: Path) -> None:
    broken = LocalStack(tmp_path / "local", {"FUNCTION_TIMEOUT_S": "soon"})
    done = subprocess.run(
        [sys.executable, "-m", "local", "run"],
        cwd=ROOT,
        env=broken.environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode != 0
    assert "FUNCTION_TIMEOUT_S" in done.stdout + done.stderr
