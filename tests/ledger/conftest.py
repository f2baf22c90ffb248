"""One account with funds, for each test its own."""

import pytest

from tests.ledger.books import Books


@pytest.fixture
async def books() -> Books:
    made = Books()
    await made.open()
    return made
