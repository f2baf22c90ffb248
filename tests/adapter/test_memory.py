"""Many invocations of one environment, one after another, in constant memory."""

import pytest

from tests.support.adapter_world import Customer
from tests.support.chat_body import chat_body
from tests.support.gateway_event import gateway_event
from tests.support.sandbox import NewSandbox

pytestmark = [pytest.mark.adapter, pytest.mark.asyncio(loop_scope="session")]

WARM_UP, INVOCATIONS = 60, 200
# 5 KB a call, two small answers; without a leak it is some 30 KB in all.
GROWTH_BYTES_MAX = 1024 * 1024
MIX = (
    (chat_body(), 200),
    (chat_body(stream=True), 200),
    (chat_body(model="demo-fail-midstream", stream=True), 200),
    (chat_body(model="no-such-model"), 404),
)


async def test_memory_does_not_grow(new_sandbox: NewSandbox, customer: Customer) -> None:
    sandbox = await new_sandbox()

    async def call(number: int) -> None:
        body, status = MIX[number % len(MIX)]
        assert (await sandbox.invoke(gateway_event(body, api_key=customer.api_key))).status == status

    for number in range(WARM_UP):
        await call(number)
    before = sandbox.function.memory_info().rss
    for number in range(INVOCATIONS):
        await call(number)
    growth = sandbox.function.memory_info().rss - before

    print(f"{INVOCATIONS} invocations: {before / 2**20:.1f} MB, growth {growth / 1024:.0f} KB")
    assert growth < GROWTH_BYTES_MAX
    assert sandbox.runtime.problems == []
    served = (WARM_UP + INVOCATIONS) * 3 // len(MIX)
    image = await customer.image()
    assert (len(await customer.usage_rows()), image.live_holds, image.held) == (served, 0, 0)
