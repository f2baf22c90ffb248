"""With SnapStart a function has no keys in its environment: they come from the container credentials' address."""

import pytest

from tests.support.adapter_world import Customer
from tests.support.chat_body import chat_body
from tests.support.gateway_event import gateway_event
from tests.support.sandbox import NewSandbox

pytestmark = [pytest.mark.adapter, pytest.mark.asyncio(loop_scope="session")]


async def test_a_function_with_snap_start_asks_for_its_credentials_once(
    new_sandbox: NewSandbox, customer: Customer
) -> None:
    snap_started = await new_sandbox(snap_start=True)
    event = gateway_event(chat_body(), api_key=customer.api_key)
    assert (await snap_started.invoke(event)).status == 200
    assert (await snap_started.invoke(event)).status == 200
    assert snap_started.runtime.credentials_given == 1
    assert snap_started.runtime.problems == []
