"""The database goes silent: calls are refused with a retry, none is served for nothing, and the books stay right."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from multiconnection.ledger.ledger import SETTLE_S
from tests.e2e.support.customers import Customer
from tests.e2e.support.waiting import until


@contextmanager
def silent_database(customer: Customer) -> Iterator[None]:
    database = customer.stack.process("bin/ministack")
    database.suspend()
    try:
        yield
    finally:
        database.resume()


def test_a_silent_database_is_a_503_with_a_retry_and_nothing_is_forwarded(demo: Customer) -> None:
    assert demo.chat().status_code == 200
    asked = demo.stack.last_upstream_request()
    with silent_database(demo):
        answer = demo.chat(text="not to be forwarded")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ledger_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert demo.stack.last_upstream_request() == asked
    until(lambda: demo.chat().status_code == 200, 20, "calls were served again")
    # A reserve whose answer was lost may have been applied: the sweeper gives that money back.
    assert demo.stack.cli("sweep", "--at", "+1h")["failed"] == 0
    demo.stack.assert_books_are_right()


def test_a_finished_answer_is_delivered_although_database_and_queue_have_gone_silent(demo: Customer) -> None:
    assert demo.chat().status_code == 200
    asked = demo.stack.last_upstream_request()
    with ThreadPoolExecutor(1) as pool:
        # given a call that the provider is answering
        call = pool.submit(demo.chat, demo={"delay_ms": 500, "chunks": 4})
        until(lambda: demo.stack.last_upstream_request() != asked, 20, "the provider was asked")
        with silent_database(demo):
            gone_s = time.monotonic()
            answer = call.result(timeout=120)
            waited_s = time.monotonic() - gone_s
    # then two seconds are the provider's own, and a machine of two cores has some more
    print(f"delivered {waited_s:.1f} s after the database went silent")
    assert answer.status_code == 200
    assert waited_s < 2 + SETTLE_S + 5
    until(lambda: demo.chat().status_code == 200, 20, "calls were served again")
    assert demo.stack.cli("sweep", "--at", "+1h")["failed"] == 0
    demo.stack.assert_books_are_right()
