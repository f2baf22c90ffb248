"""Who calls and until when: from what the platform says, never from what the caller claims."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.web.app import Envelope, Process
from multiconnection.web.context import header, invocation_of
from tests.support.limit_world import HandClock, SeededRng

pytestmark = pytest.mark.virtual_time


PLATFORM = {"identity": {"sourceIp": "203.0.113.9"}}
CLAIMED = {"identity": {"sourceIp": "10.0.0.1"}}


def scope(event: Any = None, client: Any = ("192.0.2.1", 1), **headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http", "headers": raw, "client": client} | ({} if event is None else {"aws.event": event})


def test_a_buffered_function_believes_its_event_and_no_header() -> None:
    found = scope({"requestContext": PLATFORM}, x_amzn_request_context=json.dumps(CLAIMED), x_forwarded_for="10.0.0.2")
    assert invocation_of(found).ip == "203.0.113.9"


@pytest.mark.parametrize("event", [{}, {"requestContext": {}}, {"requestContext": {"identity": {}}}])
def test_an_event_without_an_address_is_not_completed_from_headers(event: dict[str, Any]) -> None:
    assert invocation_of(scope(event, x_amzn_request_context=json.dumps(CLAIMED))).ip == ""


def test_a_streaming_function_believes_the_adapters_header() -> None:
    assert (
        invocation_of(scope(x_amzn_request_context=json.dumps(PLATFORM), x_forwarded_for="10.0.0.2")).ip
        == "203.0.113.9"
    )


def test_forwarded_headers_are_never_believed() -> None:
    found = scope(
        x_forwarded_for="10.0.0.1", x_real_ip="10.0.0.2", forwarded="for=10.0.0.3", cf_connecting_ip="10.0.0.4"
    )
    assert invocation_of(found).ip == "192.0.2.1"


@pytest.mark.parametrize("value", ["", "x", "[]", "5", "null", "{}", '{"identity": 5}', '{"identity": {}}', "\xff"])
def test_a_header_that_says_nothing_leaves_the_connection(value: str) -> None:
    assert invocation_of(scope(x_amzn_request_context=value)).ip == "192.0.2.1"


def test_without_a_connection_there_is_no_address() -> None:
    assert invocation_of(scope(client=None)).ip == ""


@given(st.text(max_size=50).map(lambda text: text.encode("utf-8", "replace").decode("latin-1")))
def test_no_header_makes_it_raise(value: str) -> None:
    assert isinstance(invocation_of(scope(x_amzn_request_context=value)).ip, str)
    ends_s = invocation_of(scope(x_amzn_lambda_context=value)).ends_s
    assert ends_s is None or isinstance(ends_s, float)


def test_the_functions_end_is_the_adapters_deadline_in_seconds() -> None:
    assert invocation_of(scope(x_amzn_lambda_context='{"deadline": 1800000900500}')).ends_s == 1800000900.5


@pytest.mark.parametrize("value", ["", "{}", "[]", '{"deadline": "soon"}', '{"deadline": null}', '{"deadline": 1.5}'])
def test_without_a_deadline_the_settings_decide(value: str) -> None:
    assert invocation_of(scope(x_amzn_lambda_context=value)).ends_s is None
    assert invocation_of(scope()).ends_s is None


def test_the_ids_of_a_streamed_request_are_those_of_the_adapter() -> None:
    found = scope(x_amzn_request_context='{"requestId": "g-1"}', x_amzn_lambda_context='{"request_id": "f-1"}')
    assert invocation_of(found).ids == {"gateway_request_id": "g-1", "function_request_id": "f-1"}


def test_the_ids_of_a_buffered_request_are_those_of_its_event_and_no_header() -> None:
    found = scope({"requestContext": {"requestId": "g-1"}}, x_amzn_request_context='{"requestId": "claimed"}')
    found["aws.context"] = SimpleNamespace(aws_request_id="f-1")
    assert invocation_of(found).ids == {"gateway_request_id": "g-1", "function_request_id": "f-1"}


def test_a_buffered_function_believes_no_header_about_its_own_invocation() -> None:
    claimed = '{"deadline": 1800000900500, "request_id": "claimed"}'
    found = invocation_of(scope({"requestContext": PLATFORM}, x_amzn_lambda_context=claimed))
    assert (found.ends_s, found.ids) == (None, {})


@pytest.mark.parametrize("found", [scope(), scope({}), scope(x_amzn_request_context='{"requestId": 5}')])
def test_elsewhere_there_are_no_such_ids(found: dict[str, Any]) -> None:
    assert invocation_of(found).ids == {}


async def test_a_request_reads_each_of_the_platforms_headers_once() -> None:
    read: list[str] = []

    class Header(bytes):
        """Notes each time it is decoded."""

        def decode(self, *codec: str) -> str:
            read.append("read")
            return super().decode(*codec)

    async def nothing(*_: Any) -> Any:
        return {"type": "http.request"}

    names = (b"x-amzn-request-context", b"x-amzn-lambda-context")
    asked = {**scope(), "method": "OPTIONS", "path": "/", "headers": [(name, Header(b"{}")) for name in names]}
    process = Process(
        clock=HandClock(),
        rng=SeededRng(1),
        ip_limits=lambda _: {},
        on_answered=lambda _: None,
        aclose=nothing,
    )
    await Envelope(nothing, lambda: process)(asked, nothing, nothing)
    assert len(read) == 2


def test_the_first_of_repeated_headers_counts() -> None:
    found = {"headers": [(b"x", b"1"), (b"x", b"2")]}
    assert (header(found, b"x"), header(found, b"y")) == ("1", None)
