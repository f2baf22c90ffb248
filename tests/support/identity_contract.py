"""The contract of an identity provider, which the fake and MiniStack's Cognito pass."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from multiconnection.identity.id_tokens import IdTokens
from multiconnection.identity.models import (
    Challenge,
    CodeRefused,
    CredentialsRefused,
    EmailTaken,
    IdentityProvider,
    IdentityRefused,
    NotConfirmed,
    PasswordRefused,
    TokenRefused,
    Tokens,
)
from multiconnection.ports import Clock

from .totp import other_code, totp_code

PASSWORD, NEXT_PASSWORD = "correct horse 1", "battery staple 2"
CONFIRM_CODE, RESET_CODE = "123456", "654321"


class WallClock:
    def now(self) -> float:
        return time.time()


@dataclass
class Pool:
    """A provider under test, with a user of its own for each case."""

    provider: IdentityProvider
    verifier: IdTokens
    clock: Clock
    invite: Callable[[str, str], Awaitable[None]]
    email: str = field(default_factory=lambda: f"{uuid4().hex}@example.com")

    async def confirmed(self) -> None:
        await self.provider.sign_up(self.email, PASSWORD, "Ada")
        await self.provider.confirm_sign_up(self.email, CONFIRM_CODE)

    async def tokens(self, password: str = PASSWORD) -> Tokens:
        found = await self.provider.sign_in(self.email, password)
        assert isinstance(found, Tokens)
        return found

    def of_another_person(self) -> "Pool":
        return Pool(self.provider, self.verifier, self.clock, self.invite)

    async def challenge(self, password: str = PASSWORD) -> Challenge:
        found = await self.provider.sign_in(self.email, password)
        assert isinstance(found, Challenge)
        return found

    async def with_totp(self) -> str:
        """The secret of a second factor that is in force."""
        await self.confirmed()
        access_token = (await self.tokens()).access_token
        secret = await self.provider.new_totp_secret(access_token)
        await self.provider.verify_totp(access_token, self.code(secret))
        await self.provider.prefer_totp(access_token, enabled=True)
        return secret

    def code(self, secret: str) -> str:
        return totp_code(secret, self.clock.now())


async def signing_up_confirming_and_signing_in(pool: Pool) -> None:
    await pool.confirmed()
    tokens = await pool.tokens()
    assert tokens.refresh_token
    claims = await pool.verifier.verify(tokens.id_token)
    assert (claims.email, claims.name, claims.is_admin) == (pool.email, "Ada", False)
    assert 0 < claims.expires_s - pool.clock.now() <= 900


async def an_access_token_is_no_id_token(pool: Pool) -> None:
    await pool.confirmed()
    with pytest.raises(TokenRefused):
        await pool.verifier.verify((await pool.tokens()).access_token)


async def a_known_address_is_taken(pool: Pool) -> None:
    await pool.confirmed()
    with pytest.raises(EmailTaken):
        await pool.provider.sign_up(pool.email, PASSWORD, "")


async def a_password_that_is_set_is_the_only_one(pool: Pool) -> None:
    await pool.confirmed()
    with pytest.raises(PasswordRefused):
        await pool.provider.set_password(pool.email, "short")
    await pool.provider.set_password(pool.email, NEXT_PASSWORD)
    user_id = (await pool.verifier.verify((await pool.tokens(NEXT_PASSWORD)).id_token)).user_id
    assert user_id == await pool.provider.user_id_of(pool.email) == await pool.provider.user_id_of(user_id)
    with pytest.raises(CredentialsRefused):
        await pool.provider.sign_in(pool.email, PASSWORD)


async def nobody_has_no_password_and_no_id(pool: Pool) -> None:
    with pytest.raises(CredentialsRefused):
        await pool.provider.set_password(pool.email, PASSWORD)
    with pytest.raises(CredentialsRefused):
        await pool.provider.user_id_of(pool.email)


async def a_short_password_is_refused(pool: Pool) -> None:
    with pytest.raises(PasswordRefused):
        await pool.provider.sign_up(pool.email, "short", "")


async def wrong_codes_confirm_nobody(pool: Pool) -> None:
    with pytest.raises(CodeRefused):
        await pool.provider.confirm_sign_up(pool.email, CONFIRM_CODE)
    await pool.provider.sign_up(pool.email, PASSWORD, "")
    with pytest.raises(CodeRefused):
        await pool.provider.confirm_sign_up(pool.email, "111111")
    await pool.provider.confirm_sign_up(pool.email, CONFIRM_CODE)
    with pytest.raises(IdentityRefused):
        await pool.provider.confirm_sign_up(pool.email, CONFIRM_CODE)


async def an_unconfirmed_person_is_named_whatever_the_password(pool: Pool) -> None:
    await pool.provider.sign_up(pool.email, PASSWORD, "")
    for password in (PASSWORD, NEXT_PASSWORD):
        with pytest.raises(NotConfirmed):
            await pool.provider.sign_in(pool.email, password)


async def unknown_and_wrong_are_the_same(pool: Pool) -> None:
    with pytest.raises(CredentialsRefused):
        await pool.provider.sign_in(pool.email, PASSWORD)
    await pool.confirmed()
    with pytest.raises(CredentialsRefused):
        await pool.provider.sign_in(pool.email, NEXT_PASSWORD)


async def mails_to_strangers_are_not_refused(pool: Pool) -> None:
    await pool.provider.resend_code(pool.email)
    await pool.provider.forgot(pool.email)


async def a_refresh_token_gives_new_tokens_until_it_is_revoked(pool: Pool) -> None:
    await pool.confirmed()
    refresh_token = (await pool.tokens()).refresh_token
    assert refresh_token
    for _ in range(2):
        fresh = await pool.provider.refresh(refresh_token)
        assert (await pool.verifier.verify(fresh.id_token)).email == pool.email
        assert fresh.refresh_token is None
    await pool.provider.revoke(refresh_token)
    with pytest.raises(CredentialsRefused):
        await pool.provider.refresh(refresh_token)
    await pool.provider.revoke(refresh_token)


async def an_invented_refresh_token_is_refused(pool: Pool) -> None:
    with pytest.raises(CredentialsRefused):
        await pool.provider.refresh("invented")


async def signing_out_everywhere_needs_somebody(pool: Pool) -> None:
    await pool.confirmed()
    await pool.provider.sign_out_everywhere(pool.email)
    claims = await pool.verifier.verify((await pool.tokens()).id_token)
    await pool.provider.sign_out_everywhere(claims.user_id)
    with pytest.raises(CredentialsRefused):
        await pool.provider.sign_out_everywhere("nobody@example.com")


async def a_reset_needs_its_code(pool: Pool) -> None:
    await pool.confirmed()
    with pytest.raises(CodeRefused):
        await pool.provider.reset(pool.email, RESET_CODE, NEXT_PASSWORD)
    await pool.provider.forgot(pool.email)
    with pytest.raises(CodeRefused):
        await pool.provider.reset(pool.email, "111111", NEXT_PASSWORD)
    with pytest.raises(PasswordRefused):
        await pool.provider.reset(pool.email, RESET_CODE, "short")
    await pool.provider.reset(pool.email, RESET_CODE, NEXT_PASSWORD)
    await pool.tokens(NEXT_PASSWORD)
    with pytest.raises(CredentialsRefused):
        await pool.provider.sign_in(pool.email, PASSWORD)


async def a_reset_for_a_stranger_is_a_wrong_code(pool: Pool) -> None:
    with pytest.raises(CodeRefused):
        await pool.provider.reset(pool.email, RESET_CODE, NEXT_PASSWORD)


async def a_password_is_changed_by_who_knows_it(pool: Pool) -> None:
    await pool.confirmed()
    access_token = (await pool.tokens()).access_token
    with pytest.raises(CredentialsRefused):
        await pool.provider.change_password(access_token, NEXT_PASSWORD, NEXT_PASSWORD)
    with pytest.raises(PasswordRefused):
        await pool.provider.change_password(access_token, PASSWORD, "short")
    await pool.provider.change_password(access_token, PASSWORD, NEXT_PASSWORD)
    await pool.tokens(NEXT_PASSWORD)


async def a_second_factor_is_asked_for_once_it_is_in_force(pool: Pool) -> None:
    secret = await pool.with_totp()
    challenge = await pool.challenge()
    assert challenge.kind == "totp"
    with pytest.raises(CodeRefused):
        await pool.provider.answer_totp(challenge.user_id, challenge.session, other_code(pool.code(secret)))
    tokens = await pool.provider.answer_totp(challenge.user_id, challenge.session, pool.code(secret))
    user_id = (await pool.verifier.verify(tokens.id_token)).user_id
    assert await pool.provider.has_totp(user_id)
    await pool.provider.prefer_totp(tokens.access_token, enabled=False)
    assert not await pool.provider.has_totp(user_id)
    await pool.tokens()


async def a_wrong_code_brings_no_second_factor_into_force(pool: Pool) -> None:
    await pool.confirmed()
    access_token = (await pool.tokens()).access_token
    secret = await pool.provider.new_totp_secret(access_token)
    with pytest.raises(CodeRefused):
        await pool.provider.verify_totp(access_token, other_code(pool.code(secret)))


async def a_second_factor_that_is_in_force_can_be_verified_again(pool: Pool) -> None:
    secret = await pool.with_totp()
    challenge = await pool.challenge()
    tokens = await pool.provider.answer_totp(challenge.user_id, challenge.session, pool.code(secret))
    with pytest.raises(CodeRefused):
        await pool.provider.verify_totp(tokens.access_token, other_code(pool.code(secret)))
    await pool.provider.verify_totp(tokens.access_token, pool.code(secret))


async def a_new_name_is_in_the_next_token(pool: Pool) -> None:
    await pool.confirmed()
    tokens = await pool.tokens()
    assert tokens.refresh_token
    await pool.provider.rename(tokens.access_token, "Grace")
    fresh = await pool.provider.refresh(tokens.refresh_token)
    assert (await pool.verifier.verify(fresh.id_token)).name == "Grace"


async def who_was_invited_chooses_a_password(pool: Pool) -> None:
    await pool.invite(pool.email, PASSWORD)
    challenge = await pool.challenge()
    assert challenge.kind == "new_password"
    tokens = await pool.provider.answer_new_password(challenge.user_id, challenge.session, NEXT_PASSWORD)
    assert isinstance(tokens, Tokens)
    assert (await pool.verifier.verify(tokens.id_token)).is_admin
    await pool.tokens(NEXT_PASSWORD)


async def an_invented_session_is_over(pool: Pool) -> None:
    secret = await pool.with_totp()
    user_id = await pool.provider.user_id_of(pool.email)
    with pytest.raises(IdentityRefused):
        await pool.provider.answer_totp(user_id, "x" * 20, pool.code(secret))
    with pytest.raises(IdentityRefused):
        await pool.provider.answer_new_password(user_id, "x" * 20, NEXT_PASSWORD)


async def a_session_is_used_once(pool: Pool) -> None:
    secret = await pool.with_totp()
    challenge = await pool.challenge()
    await pool.provider.answer_totp(challenge.user_id, challenge.session, pool.code(secret))
    with pytest.raises(IdentityRefused):
        await pool.provider.answer_totp(challenge.user_id, challenge.session, pool.code(secret))


async def a_session_is_that_of_one_person(pool: Pool) -> None:
    other = pool.of_another_person()
    await pool.with_totp()
    challenge, secret = await pool.challenge(), await other.with_totp()
    with pytest.raises(IdentityRefused):
        await pool.provider.answer_totp(
            await pool.provider.user_id_of(other.email), challenge.session, pool.code(secret)
        )


async def a_session_is_of_one_kind(pool: Pool) -> None:
    await pool.with_totp()
    challenge = await pool.challenge()
    with pytest.raises(IdentityRefused):
        await pool.provider.answer_new_password(challenge.user_id, challenge.session, NEXT_PASSWORD)


CONTRACT: list[Callable[[Pool], Awaitable[None]]] = [
    signing_up_confirming_and_signing_in,
    an_access_token_is_no_id_token,
    a_known_address_is_taken,
    a_password_that_is_set_is_the_only_one,
    nobody_has_no_password_and_no_id,
    a_short_password_is_refused,
    wrong_codes_confirm_nobody,
    an_unconfirmed_person_is_named_whatever_the_password,
    unknown_and_wrong_are_the_same,
    mails_to_strangers_are_not_refused,
    a_refresh_token_gives_new_tokens_until_it_is_revoked,
    an_invented_refresh_token_is_refused,
    signing_out_everywhere_needs_somebody,
    a_reset_needs_its_code,
    a_reset_for_a_stranger_is_a_wrong_code,
    a_password_is_changed_by_who_knows_it,
    a_second_factor_is_asked_for_once_it_is_in_force,
    a_wrong_code_brings_no_second_factor_into_force,
    a_second_factor_that_is_in_force_can_be_verified_again,
    a_new_name_is_in_the_next_token,
    who_was_invited_chooses_a_password,
    an_invented_session_is_over,
    a_session_is_used_once,
    a_session_is_that_of_one_person,
    a_session_is_of_one_kind,
]
