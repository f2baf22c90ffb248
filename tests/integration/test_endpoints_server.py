"""Every paid endpoint over real sockets: our routes under uvicorn, the real dialects and a misbehaving provider."""

import pytest

from multiconnection.usage import Ended, UsageSource
from tests.support.endpoints import ALL, EDIT_BY_LINK, IMAGE, Endpoint
from tests.support.served_gateway import ServedGateway

# The link of an edit leads nowhere.
SERVED = [endpoint for endpoint in ALL if endpoint is not EDIT_BY_LINK]
STREAMS = [endpoint for endpoint in SERVED if endpoint.stream is not None]
WHOLE = [endpoint for endpoint in SERVED if endpoint.stream is None]
EVENTS = [endpoint for endpoint in STREAMS if not endpoint.is_raw]
RAW = [endpoint for endpoint in STREAMS if endpoint.is_raw]
# Charged by what the provider reports. An image of a price needs no report.
REPORTED = [endpoint for endpoint in SERVED if endpoint.source is UsageSource.UPSTREAM and endpoint is not IMAGE]
STATUS = {
    "error-500": 502,
    "error-429": 429,
    "error-400": 400,
    "error-401": 502,
    "error-200": 502,
    "error-html": 502,
    "first-event-error": 502,
    "empty": 502,
}
BROKEN_WHOLE = dict.fromkeys(("cut", "eof", "fail-midstream"), 502)
NONSENSE = ("no-usage", "usage-huge", "usage-negative", "usage-float", "usage-string")


def each(endpoints: list[Endpoint]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("endpoint", endpoints, ids=lambda endpoint: endpoint.name)


@each(SERVED)
async def test_a_good_answer_is_whole_and_charged(gateway: ServedGateway, endpoint: Endpoint) -> None:
    answer = await gateway.ask(endpoint)
    assert answer.status_code == 200
    if endpoint.stream is not None and not endpoint.is_raw:
        assert endpoint.stream.done in answer.content
    row = await gateway.row()
    assert (row.ended, row.usage_source, row.endpoint) == (Ended.COMPLETE, endpoint.source, endpoint.kind)
    assert 0 < row.cost <= row.hold


@each(SERVED)
async def test_a_provider_that_fails_before_its_answer_is_not_paid(gateway: ServedGateway, endpoint: Endpoint) -> None:
    for behaviour, status in {**STATUS, **(BROKEN_WHOLE if endpoint in WHOLE else {})}.items():
        answer = await gateway.ask(endpoint, behaviour)
        assert answer.status_code == status, behaviour
        assert answer.json()["error"].keys() >= {"message", "type", "param", "code"}
        row = await gateway.row_of(answer)
        assert (row.cost, row.usage_source) == (0, UsageSource.NONE), behaviour
        if behaviour != "error-html":
            assert row.ended is (Ended.EMPTY if behaviour == "empty" else Ended.UPSTREAM_ERROR), behaviour


@each(SERVED)
async def test_a_provider_that_hangs_is_a_504(gateway: ServedGateway, endpoint: Endpoint) -> None:
    gateway.configure(first_byte_timeout_s=0.3, connect_timeout_s=0.2)
    assert (await gateway.ask(endpoint, "hang")).status_code == 504
    assert (await gateway.row()).cost == 0


@each(REPORTED)
async def test_a_usage_that_cannot_be_is_not_believed(gateway: ServedGateway, endpoint: Endpoint) -> None:
    for behaviour in NONSENSE:
        answer = await gateway.ask(endpoint, behaviour)
        row = await gateway.row_of(answer)
        assert (answer.status_code, row.ended) == (200, Ended.COMPLETE), behaviour
        assert row.usage_source is not UsageSource.UPSTREAM, behaviour
        assert 0 < row.cost <= row.hold, behaviour


@each(REPORTED)
async def test_an_explicit_zero_is_a_zero(gateway: ServedGateway, endpoint: Endpoint) -> None:
    assert (await gateway.ask(endpoint, "usage-zero")).status_code == 200
    row = await gateway.row()
    assert (row.cost, row.usage_source) == (0, UsageSource.UPSTREAM)


@each(EVENTS)
async def test_a_stream_of_events_that_breaks_says_so_and_is_free(gateway: ServedGateway, endpoint: Endpoint) -> None:
    assert endpoint.stream is not None
    for behaviour in ("cut", "eof", "fail-midstream"):
        answer = await gateway.ask(endpoint, behaviour)
        assert answer.status_code == 200
        assert endpoint.stream.done not in answer.content, behaviour
        assert b'"error":{' in answer.content.split(b"\n\n")[-2], behaviour
        row = await gateway.row_of(answer)
        assert (row.ended, row.cost) == (Ended.MID_STREAM_ERROR, 0), behaviour


@pytest.mark.parametrize("billed", [False, True])
@each(RAW)
async def test_bytes_that_break_are_cut_for_the_client(
    gateway: ServedGateway, endpoint: Endpoint, billed: bool
) -> None:
    whole = (await gateway.ask(endpoint)).content
    gateway.configure(billed=billed)
    for behaviour in ("cut", "fail-midstream"):
        answer, received = await gateway.until_cut(gateway.request(endpoint, behaviour))
        assert answer.status_code == 200
        assert whole.startswith(received)
        assert 0 < len(received) < len(whole)
        row = await gateway.row_of(answer)
        assert (row.ended, bool(row.cost)) == (Ended.MID_STREAM_ERROR, billed)


@each(STREAMS)
async def test_events_torn_at_awkward_bytes_are_the_same_answer(gateway: ServedGateway, endpoint: Endpoint) -> None:
    whole, torn = await gateway.ask(endpoint), await gateway.ask(endpoint, "crlf")
    assert torn.status_code == 200
    if endpoint.is_raw:
        assert torn.content == whole.content
    else:
        assert endpoint.stream is not None
        assert endpoint.stream.done in torn.content
        assert torn.content.count(b"data: ") == whole.content.count(b"data: ")
    assert {row.ended for row in await gateway.world.rows()} == {Ended.COMPLETE}
