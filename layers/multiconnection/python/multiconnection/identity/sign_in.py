"""Signing in and out: a password, perhaps a code or a new password, then cookies and an account."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode

from multiconnection.accounts.service import Onboarding
from multiconnection.errors import (
    CodeInvalid,
    IdentityUnavailable,
    PasswordTooWeak,
    RateLimited,
    RequestInvalid,
    SignInFailed,
)
from multiconnection.ledger.models import Account
from multiconnection.ports import Alarms

from .attempts import AlreadyUsed, Attempts
from .challenges import LIFE_S, ChallengeRefused, Challenges, OpenedChallenge, PendingChallenge
from .models import (
    AttemptsExhausted,
    Challenge,
    ChallengeKind,
    CodeRefused,
    CredentialsRefused,
    IdentityProvider,
    IdentityRefused,
    PasswordRefused,
    Session,
    Tokens,
)
from .sessions import Access, Presented, Renewal, SessionEnds, Sessions

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


# Signing up and confirming an e-mail address, without telling strangers which addresses are known.

_FORGOTTEN = "choose a password with “Forgot your password?”"
_WRONG_CODE = f"The code is wrong or has expired. If you have used it already, {_FORGOTTEN}."
_HALFWAY = f"Your address is confirmed, but your password could not be set: please {_FORGOTTEN}."


class SignUp:
    """`answer_s` is how long every answer takes at least."""

    def __init__(self, provider: IdentityProvider, attempts: Attempts, ends: SessionEnds, answer_s: float) -> None:
        self._provider = provider
        self._attempts = attempts
        self._ends = ends
        self._answer_s = answer_s

    async def sign_up(self, email: str, password: str, name: str, ip: str) -> None:
        """One answer for new and known addresses. Raises PasswordTooWeak, RateLimited or IdentityUnavailable.

        The password is only judged here. Anybody can sign up with anybody's address, so the provider is given one that
        nobody knows, and whoever receives the code sets the real one.
        """
        require_strong(password, email)
        await self._attempts.admit("mail", ip, email)
        try:
            await at_least(self._answer_s, self._provider.sign_up(email, secrets.token_urlsafe(32), name))
        except IdentityRefused:
            return

    async def resend(self, email: str, ip: str) -> None:
        """One answer for every address. Raises RateLimited or IdentityUnavailable."""
        await self._attempts.admit("mail", ip, email)
        try:
            await at_least(self._answer_s, self._provider.resend_code(email))
        except IdentityRefused:
            return

    async def confirm(self, email: str, code: str, password: str, ip: str) -> None:
        """Who has the mailed code sets the password; before this, nobody knows one that would do.

        Between the two steps the account is confirmed and has no known password: a mailed reset leads out of there.
        Raises PasswordTooWeak, CodeInvalid (also for unknown and confirmed addresses), RateLimited or
        IdentityUnavailable.
        """
        require_strong(password, email)
        attempt = await self._attempts.admit("code", ip, email)
        try:
            async with self._attempts.settled(attempt):
                await at_least(self._answer_s, self._provider.confirm_sign_up(email, code))
        except IdentityRefused as exc:
            raise CodeInvalid(_WRONG_CODE, param="code") from exc
        await self._set_password(email, password)
        await self._ends.after_change(email)

    async def _set_password(self, email: str, password: str) -> None:
        try:
            await self._provider.set_password(email, password)
        except PasswordRefused as exc:
            raise refused_password() from exc
        except (IdentityRefused, IdentityUnavailable) as exc:
            raise IdentityUnavailable(_HALFWAY) from exc


# Rules for new passwords, and the ways to get one: forgotten, reset by code, changed.

CHARS_MIN = 10
# Cognito's own bound.
CHARS_MAX = 256
DIFFERENT_CHARS_MIN = 5
_EXHAUSTED_RETRY_S = 60


def require_strong(password: str, email: str, param: str = "password") -> str:
    """Judged before the provider is asked, so that the answer tells nothing about the address.

    Length rather than mixed characters, as NIST SP 800-63B has it. Raises PasswordTooWeak.
    """
    if not CHARS_MIN <= len(password) <= CHARS_MAX:
        raise PasswordTooWeak(f"Use {CHARS_MIN} to {CHARS_MAX} characters for the password.", param=param)
    if password != password.strip():
        raise PasswordTooWeak("A password cannot begin or end with a space.", param=param)
    if len(set(password)) < DIFFERENT_CHARS_MIN:
        message = f"Use at least {DIFFERENT_CHARS_MIN} different characters in the password."
        raise PasswordTooWeak(message, param=param)
    if email and password.lower() in (email.lower(), email.lower().partition("@")[0]):
        raise PasswordTooWeak("Your e-mail address is no password.", param=param)
    return password


def refused_password(param: str = "password") -> PasswordTooWeak:
    """The provider's rules are ours; whatever else it does not like ends here."""
    return PasswordTooWeak("This password is not accepted. Please choose another one.", param=param)


def exhausted() -> RateLimited:
    return RateLimited(
        "Too many attempts. Please try again later.", reason="code_attempts", retry_after_s=_EXHAUSTED_RETRY_S
    )


class Passwords:
    """`answer_s` is how long the answers take at least that could betray an address."""

    def __init__(
        self,
        provider: IdentityProvider,
        sessions: Sessions,
        attempts: Attempts,
        ends: SessionEnds,
        answer_s: float,
    ) -> None:
        self._provider = provider
        self._sessions = sessions
        self._attempts = attempts
        self._ends = ends
        self._answer_s = answer_s

    async def forgot(self, email: str, ip: str) -> None:
        """One answer for every address. Raises RateLimited or IdentityUnavailable."""
        await self._attempts.admit("mail", ip, email)
        try:
            await at_least(self._answer_s, self._provider.forgot(email))
        except IdentityRefused:
            # Unknown, unconfirmed or asked too often: what differs is known to the mailbox only.
            return

    async def reset(self, email: str, code: str, password: str, ip: str) -> None:
        """Ends every session and playground key of the person. Raises PasswordTooWeak, CodeInvalid or RateLimited."""
        require_strong(password, email)
        attempt = await self._attempts.admit("code", ip, email)
        try:
            async with self._attempts.settled(attempt):
                await at_least(self._answer_s, self._provider.reset(email, code, password))
        except PasswordRefused as exc:
            raise refused_password() from exc
        except IdentityRefused as exc:
            raise CodeInvalid("The code is wrong or has expired.", param="code") from exc
        await self._ends.after_change(email)

    async def change(self, access: Access, current: str, new: str, ip: str) -> Renewal | None:
        """Ends every other session, and all playground keys.

        None: this session has ended too, as signing in again needs a code.
        Raises SignInFailed, PasswordTooWeak or RateLimited.
        """
        session = access.session
        require_strong(new, session.email, "new")
        attempt = await self._attempts.admit("sign_in", ip, session.email)
        try:
            async with self._attempts.settled(attempt):
                await self._provider.change_password(access.access_token, current, new)
        except CredentialsRefused as exc:
            raise SignInFailed("The current password is wrong.", param="current") from exc
        except PasswordRefused as exc:
            raise refused_password("new") from exc
        except (AttemptsExhausted, CodeRefused) as exc:
            raise exhausted() from exc
        await self._ends.after_change(session.user_id)
        return await self._begin_again(session.email, new)

    async def _begin_again(self, email: str, password: str) -> Renewal | None:
        try:
            outcome = await self._provider.sign_in(email, password)
        except (IdentityRefused, IdentityUnavailable):
            return None
        return (await self._sessions.begun(outcome)).renewed if isinstance(outcome, Tokens) else None


# A second factor from an authenticator app: set up, switched on, switched off.

ISSUER = "MultiConnection"


@dataclass(frozen=True, slots=True)
class TotpSecret:
    """Shown once; `otpauth_url` is what the QR code holds."""

    secret: str
    otpauth_url: str


class Totp:
    def __init__(self, provider: IdentityProvider, attempts: Attempts) -> None:
        self._provider = provider
        self._attempts = attempts

    async def setup(self, access: Access) -> TotpSecret:
        """A new secret, not in force until a code of it is shown to `enable`.

        Raises RequestInvalid while there is one in force, or IdentityUnavailable.
        """
        await self._require_none(access.session)
        secret = await self._provider.new_totp_secret(access.access_token)
        label = quote(f"{ISSUER}:{access.session.email}")
        return TotpSecret(secret, f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': ISSUER})}")

    async def enable(self, access: Access, code: str, ip: str) -> None:
        """Raises RequestInvalid while there is one in force, CodeInvalid or RateLimited."""
        await self._require_none(access.session)
        await self._verify_code(access, code, ip)
        await self._provider.prefer_totp(access.access_token, enabled=True)

    async def disable_by_code(self, access: Access, code: str, ip: str) -> None:
        """Raises CodeInvalid or RateLimited."""
        await self._verify_code(access, code, ip)
        await self._provider.prefer_totp(access.access_token, enabled=False)

    async def disable_by_password(self, access: Access, password: str, ip: str) -> None:
        """Raises SignInFailed or RateLimited."""
        attempt = await self._attempts.admit("sign_in", ip, access.session.email)
        try:
            async with self._attempts.settled(attempt):
                await self._provider.sign_in(access.session.email, password)
        except IdentityRefused as exc:
            raise SignInFailed("The password is wrong.", param="password") from exc
        await self._provider.prefer_totp(access.access_token, enabled=False)

    async def is_enabled(self, session: Session) -> bool:
        """Raises IdentityUnavailable."""
        try:
            return await self._provider.has_totp(session.user_id)
        except IdentityRefused:
            # Deleted meanwhile; the session ends with its token.
            return False

    async def _require_none(self, session: Session) -> None:
        """The provider replaces one at anybody's word who holds a session, so taking it away comes first."""
        if await self.is_enabled(session):
            raise RequestInvalid("One-time codes are on; switch them off first, with a code or your password.")

    async def _verify_code(self, access: Access, code: str, ip: str) -> None:
        attempt = await self._attempts.admit("code", ip, access.session.email)
        try:
            async with self._attempts.settled(attempt):
                await self._provider.verify_totp(access.access_token, code)
        except IdentityRefused as exc:
            raise CodeInvalid("The code is wrong or has been used.", param="code") from exc


# Answers that take the same time whether or not an address is known.

T = TypeVar("T")


async def at_least(seconds: float, work: Awaitable[T]) -> T:
    """The result, or the error, of `work`, not before `seconds` have passed."""
    loop = asyncio.get_running_loop()
    not_before = loop.time() + seconds
    try:
        return await work
    finally:
        await asyncio.sleep(max(0.0, not_before - loop.time()))
