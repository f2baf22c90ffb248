"""Signing in and out: a password, perhaps a code or a new password, then cookies and an account."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from multiconnection.domain.errors import RateLimited
from multiconnection.domain.people_errors import CodeInvalid, IdentityUnavailable, SignInFailed
from multiconnection.domain.sessions import Session
from multiconnection.ledger.accounts import Account
from multiconnection.ledger.store import Alarms

from .attempts import AlreadyUsed, Attempts
from .challenges import LIFE_S, ChallengeRefused, Challenges, OpenedChallenge, PendingChallenge
from .identity_ports import (
    Challenge,
    ChallengeKind,
    CodeRefused,
    IdentityProvider,
    IdentityRefused,
    PasswordRefused,
    Tokens,
)
from .onboarding import Onboarding
from .passwords import refused_password, require_strong
from .session_ends import SessionEnds
from .sessions import Access, Presented, Renewal, Sessions
from .uniform import at_least

# Cognito answers for an unconfirmed address before it looks at the password; a separate answer would betray it.
_FAILED = "The e-mail address or the password is wrong, or the address has not been confirmed yet."
# Forged, expired, used, of another step or of another person: one answer.
_OVER = "This sign-in is over. Please begin again."
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
        challenges: Challenges,
        alarms: Alarms,
        answer_s: float,
    ) -> None:
        self._provider = provider
        self._sessions = sessions
        self._attempts = attempts
        self._onboarding = onboarding
        self._ends = ends
        self._challenges = challenges
        self._alarms = alarms
        self._answer_s = answer_s

    async def with_password(self, email: str, password: str, ip: str) -> SignedIn | PendingChallenge:
        """Raises SignInFailed (one answer for every reason), RateLimited or IdentityUnavailable."""
        attempt = await self._attempts.admit("sign_in", ip, email)
        try:
            async with self._attempts.settled(attempt):
                outcome = await at_least(self._answer_s, self._provider.sign_in(email, password))
        except IdentityRefused as exc:
            raise SignInFailed(_FAILED) from exc
        if isinstance(outcome, Challenge):
            return await self._challenges.sealed(email, outcome)
        return await self._onboarded(await self._sessions.begun(outcome), ip, totp_enabled=False)

    async def with_totp(self, token: str, code: str, ip: str) -> SignedIn:
        """Raises CodeInvalid, SignInFailed (the challenge is over), RateLimited or IdentityUnavailable."""
        access = await at_least(self._answer_s, self._totp_answered(token, code, ip))
        return await self._onboarded(access, ip, totp_enabled=True)

    async def with_new_password(self, token: str, password: str, ip: str) -> SignedIn | PendingChallenge:
        """For people who were invited with a password for once. Raises as `with_totp`, and PasswordTooWeak."""
        outcome = await at_least(self._answer_s, self._new_password_answered(token, password, ip))
        if isinstance(outcome, PendingChallenge):
            return outcome
        return await self._onboarded(outcome, ip, totp_enabled=False)

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

    async def _totp_answered(self, token: str, code: str, ip: str) -> Access:
        challenge = await self._opened("totp", token, ip)
        try:
            async with self._step(challenge, ip):
                tokens = await self._provider.answer_totp(challenge.user_id, challenge.session, code)
        except CodeRefused as exc:
            raise CodeInvalid("The code is wrong or has been used.", param="code") from exc
        except IdentityRefused as exc:
            raise SignInFailed(_OVER) from exc
        return await self._begun(challenge, tokens)

    async def _new_password_answered(self, token: str, password: str, ip: str) -> Access | PendingChallenge:
        challenge = await self._opened("new_password", token, ip)
        require_strong(password, challenge.email)
        try:
            async with self._step(challenge, ip):
                outcome = await self._provider.answer_new_password(challenge.user_id, challenge.session, password)
        except PasswordRefused as exc:
            raise refused_password() from exc
        except IdentityRefused as exc:
            raise SignInFailed(_OVER) from exc
        if isinstance(outcome, Challenge):
            return await self._challenges.sealed(challenge.email, outcome)
        return await self._begun(challenge, outcome)

    async def _opened(self, kind: ChallengeKind, token: str, ip: str) -> OpenedChallenge:
        """Raises SignInFailed, RateLimited or IdentityUnavailable. What opens nothing is counted on its network."""
        try:
            return await self._challenges.opened(kind, token)
        except ChallengeRefused as exc:
            # An expired one is somebody who took too long.
            if exc.why != "expired":
                log.warning("challenge_refused", extra={"error": exc.why, "challenge": kind})
            await self._attempts.admit_network("code", ip)
            raise SignInFailed(_OVER) from exc

    @asynccontextmanager
    async def _step(self, challenge: OpenedChallenge, ip: str) -> AsyncIterator[None]:
        """Around the provider's answer: counted, and good for one sign-in whatever the provider thinks of it."""
        attempt = await self._attempts.admit("code", ip, challenge.email)
        try:
            async with self._attempts.once(f"challenge:{challenge.challenge_id}", LIFE_S):
                async with self._attempts.settled(attempt):
                    yield
        except AlreadyUsed as exc:
            log.warning("challenge_refused", extra={"error": "used"})
            raise SignInFailed(_OVER) from exc

    async def _begun(self, challenge: OpenedChallenge, tokens: Tokens) -> Access:
        """The session, if it is that of the person whose password was right. Raises SignInFailed."""
        access = await self._sessions.begun(tokens)
        session = access.session
        if (session.user_id, session.email.lower()) != (challenge.user_id, challenge.email):
            self._alarms.alarm("sign_in_mismatch", account_id=session.account_id)
            await self._revoked(tokens)
            raise SignInFailed(_OVER)
        return access

    async def _revoked(self, tokens: Tokens) -> None:
        if tokens.refresh_token is None:
            return
        try:
            await self._provider.revoke(tokens.refresh_token)
        except (IdentityRefused, IdentityUnavailable) as exc:
            log.warning("refresh_token_not_revoked", extra={"error": type(exc).__name__})

    async def _onboarded(self, access: Access, ip: str, *, totp_enabled: bool) -> SignedIn:
        account = await self._onboarding.ensure(access.session, ip)
        return SignedIn(access.session, access.renewed, account, totp_enabled)
