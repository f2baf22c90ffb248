"""One demo upstream for all of these tests, and a gateway before it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from local.demo_upstream.testing import demo_upstream
from tests.support.served_gateway import ServedGateway, served_gateway


@pytest.fixture(scope="session")
def base_url() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture
async def gateway(base_url: str) -> AsyncIterator[ServedGateway]:
    async with served_gateway(base_url) as found:
        yield found
