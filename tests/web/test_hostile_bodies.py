"""What one body may cost everybody else: the wait of another caller, and the memory of the process."""

import asyncio
import time

import pytest

from multiconnection.web.json import TREE_BYTES_MAX
from tests.support import hostile_bodies
from tests.support.watchdog import MB, Watchdog, measured

pytestmark = pytest.mark.virtual_time


WAIT_MS_MAX = 100
# Of what is refused, as a multiple of the body.
GROWTH_MAX = 4
# What is welcome and made of many values is bounded by their own bound, with the body as bytes and as texts.
GROWTH_MB_MAX = TREE_BYTES_MAX / MB + 3 * hostile_bodies.SIZE / MB


@pytest.mark.parametrize("name", hostile_bodies.HOSTILE)
def test_a_hostile_body_keeps_nobody_waiting_and_takes_little_memory(name: str) -> None:
    served = measured(hostile_bodies.__name__, name)
    assert served.status < 500
    assert served.gap_ms <= WAIT_MS_MAX
    assert served.wait_ms <= WAIT_MS_MAX
    built = name in hostile_bodies.BUILT
    assert served.growth_mb <= (GROWTH_MB_MAX if built else GROWTH_MAX * served.body_mb + 2)


@pytest.mark.parametrize("name", hostile_bodies.LARGE)
def test_the_largest_bodies_of_real_clients_are_read_between_the_requests_of_others(name: str) -> None:
    """They are told what they would cost: nothing in their shape is refused."""
    served = measured(hostile_bodies.__name__, name)
    assert served.status == 402
    assert served.gap_ms <= WAIT_MS_MAX
    assert served.growth_mb <= GROWTH_MB_MAX


async def test_the_watchdog_sees_a_loop_that_stands_still() -> None:
    async with Watchdog() as dog:
        began = time.process_time()
        while time.process_time() - began < 0.05:
            pass
        await asyncio.sleep(0)
    assert dog.gap_s >= 0.05
