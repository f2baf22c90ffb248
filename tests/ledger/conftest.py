"""One account with funds, for each test its own."""

import pytest

from tests.support.ledger_world import LedgerWorld


@pytest.fixture
async def world() -> LedgerWorld:
    made = LedgerWorld()
    await made.open()
    return made
