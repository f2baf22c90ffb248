"""Lambda freezes the environment when the response is complete: by then the call is decided and applied."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.adapter_world import Customer
from tests.support.chat_body import chat_body
from tests.support.distance import at_distance
from tests.support.gateway_event import gateway_event
from tests.support.sandbox import NewSandbox, Sandbox

pytestmark = [pytest.mark.adapter, pytest.mark.asyncio(loop_scope="session")]

# A settlement that is only under way when the answer ends must not be lucky and arrive before the freeze.
DATABASE_DELAY_S = 0.05
# Longer than the server (5 s) and the adapter (4 s) keep an idle connection.
IDLE_S = 5.5
CALLS = {
    "json": (chat_body(), "complete", 200),
    "sse": (chat_body(stream=True), "complete", 200),
    "sse that fails": (chat_body(model="demo-fail-midstream", stream=True), "mid_stream_error", 200),
    "upstream error": (chat_body(model="demo-error-500"), "upstream_error", 502),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def distant(variables: dict[str, str], new_sandbox: NewSandbox) -> AsyncIterator[Sandbox]:
    """An environment of its own, with its database some way off."""
    async with at_distance(variables["AWS_ENDPOINT_URL"], DATABASE_DELAY_S) as url:
        yield await new_sandbox(AWS_ENDPOINT_URL=url)


@pytest.mark.parametrize(("body", "ended", "status"), CALLS.values(), ids=CALLS)
async def test_a_call_is_settled_before_its_response_is_complete(
    distant: Sandbox, customer: Customer, body: dict[str, object], ended: str, status: int
) -> None:
    event = gateway_event(body, api_key=customer.api_key)
    with distant.freezing():
        assert (await distant.invoke(event)).status == status
        assert distant.is_frozen()
        assert (await customer.settled_row()).ended == ended

    assert not distant.is_frozen()
    assert (await distant.invoke(gateway_event(chat_body(), api_key=customer.api_key))).status == 200
    rows, image = await customer.usage_rows(), await customer.image()
    assert len(rows) == 2
    assert (image.live_holds, image.held, image.charged) == (0, 0, sum(row.cost for row in rows))


async def test_an_environment_thawed_after_a_while_serves_at_once(sandbox: Sandbox, customer: Customer) -> None:
    event = gateway_event(chat_body(), api_key=customer.api_key)
    with sandbox.freezing():
        assert (await sandbox.invoke(event)).status == 200
        # Real time has to pass: the connections inside grow old while nobody can look after them.
        await asyncio.sleep(IDLE_S)
        assert (await sandbox.invoke(event)).status == 200
    assert len(await customer.usage_rows()) == 2
