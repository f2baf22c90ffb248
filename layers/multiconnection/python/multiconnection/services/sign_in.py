"""Signing in and out: a password, perhaps a code or a new password, then cookies and an account."""

import logging
from dataclasses import dataclass

from multiconnection.domain.errors import RateLimited
from multiconnection.domain.people_errors import CodeInvalid, IdentityUnavailable, SignInFailed
from multiconnection.domain.sessions import Session
from multiconnection.ledger.accounts import Account

from .attempts import Attempts
from .identity_ports import Challenge, CodeRefused, IdentityProvider, IdentityRefused, PasswordRefused, Tokens
from .onboarding import Onboarding
from .passwords import refused_password, require_strong
from .session_ends import SessionEnds
from .sessions import Presented, Renewal, Sessions
from .uniform import at_least

# Cognito answers for an unconfirmed address before it looks at the password; a separate answer would betray it.
_FAILED = "The e-mail address or the password is wrong, or the address has not been confirmed yet."
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has an account, with the cookies it begins with."""

    session: Session
    renewed: Renewal
    account: Account
    totp_enabled: bool


class SignIn:
    """`answer_s` is how long every answer takes at least."""

    def __init__(
        self,
        provider: IdentityProvider,
        sessions: Sessions,
        attempts: Attempts,
        onboarding: Onboarding,
        ends: SessionEnds,
        answer_s: float,
    ) -> None:
        self._provider = provider
        self._sessions = sessions
        self._attempts = attempts
        self._onboarding = onboarding
        self._ends = ends
        self._answer_s = answer_s

    async def with_password(self, email: str, password: str, ip: str) -> SignedIn | Challenge:
        """Raises SignInFailed (one answer for every reason), RateLimited or IdentityUnavailable."""
        attempt = await self._attempts.admit("sign_in", ip, email)
        try:
            async with self._attempts.settled(attempt):
                outcome = await at_least(self._answer_s, self._provider.sign_in(email, password))
        except IdentityRefused as exc:
            raise SignInFailed(_FAILED) from exc
        return await self._begun(outcome, totp_enabled=False)

    async def with_totp(self, email: str, session: str, code: str, ip: str) -> SignedIn:
        """Raises CodeInvalid, SignInFailed (the challenge is over) or RateLimited."""
        attempt = await self._attempts.admit("code", ip, email)
        try:
            async with self._attempts.settled(attempt):
                tokens = await self._provider.answer_totp(email, session, code)
        except CodeRefused as exc:
            raise CodeInvalid("The code is wrong or has been used.", param="code") from exc
        except IdentityRefused as exc:
            raise SignInFailed("This sign-in is over. Please begin again.") from exc
        return await self._onboarded(tokens, totp_enabled=True)

    async def with_new_password(self, email: str, session: str, password: str, ip: str) -> SignedIn | Challenge:
        """For people who were invited with a password for once. Raises as `with_totp`, and PasswordTooWeak."""
        require_strong(password, email)
        attempt = await self._attempts.admit("code", ip, email)
        try:
            async with self._attempts.settled(attempt):
                outcome = await self._provider.answer_new_password(email, session, password)
        except PasswordRefused as exc:
            raise refused_password() from exc
        except IdentityRefused as exc:
            raise SignInFailed("This sign-in is over. Please begin again.") from exc
        return await self._begun(outcome, totp_enabled=False)

    async def out(self, presented: Presented) -> None:
        """Never fails: the browser forgets its cookies in any case."""
        if presented.refresh_token is None:
            return
        try:
            await self._attempts.admit_renewal(presented.ip)
            await self._provider.revoke(presented.refresh_token)
        except (IdentityRefused, RateLimited, IdentityUnavailable) as exc:
            log.warning("refresh_token_not_revoked", extra={"error": type(exc).__name__})

    async def out_everywhere(self, session: Session) -> None:
        """Raises IdentityUnavailable or LedgerUnavailable."""
        await self._ends.of_user(session.user_id)

    async def _begun(self, outcome: Tokens | Challenge, *, totp_enabled: bool) -> SignedIn | Challenge:
        return outcome if isinstance(outcome, Challenge) else await self._onboarded(outcome, totp_enabled=totp_enabled)

    async def _onboarded(self, tokens: Tokens, *, totp_enabled: bool) -> SignedIn:
        begun = await self._sessions.begun(tokens)
        account = await self._onboarding.ensure(begun.session)
        return SignedIn(begun.session, begun.renewed, account, totp_enabled)
