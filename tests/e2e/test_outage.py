"""The database goes silent: calls are refused with a retry, none is served for nothing, and the books stay right."""

from collections.abc import Iterator
from contextlib import contextmanager

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
