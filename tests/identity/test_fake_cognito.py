"""The fake user pool behaves as Cognito does; tests/integration/test_cognito.py holds MiniStack to the same cases."""

from collections.abc import Awaitable, Callable

import pytest

from multiconnection.identity.id_tokens import IdTokens
from tests.support.fake_cognito import CLIENT_ID, ISSUER, FakeCognito
from tests.support.identity_contract import CONTRACT, Pool
from tests.support.limit_world import HandClock


@pytest.mark.parametrize("case", CONTRACT, ids=lambda case: case.__name__)
async def test_the_fake_keeps_the_contract(case: Callable[[Pool], Awaitable[None]]) -> None:
    clock = HandClock()
    fake = FakeCognito(clock)

    async def invite(email: str, password: str) -> None:
        fake.invite(email, password, groups=("admin",))

    await case(Pool(fake, IdTokens(fake.fetch, ISSUER, CLIENT_ID, clock), clock, invite))
