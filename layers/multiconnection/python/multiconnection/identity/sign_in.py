"""Signing up, in and out; passwords; one-time codes.

No answer reveals which e-mail addresses are known: it is the same for all of them, and takes at least as long.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode

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

from .attempts import AlreadyUsed, AttemptLimits
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
from .sessions import Access, Presented, Renewal, SessionRevoker, Sessions

# Cognito answers for an unconfirmed address before it checks the password; a separate answer would reveal the address.
_FAILED = "The e-mail address or the password is wrong, or the address has not been confirmed yet."
# The one answer to a token that is forged, expired, used, of another step or of another user.
_OVER = "This sign-in is over. Please begin again."
_FORGOTTEN = "choose a password with “Forgot your password?”"
_WRONG_CODE = f"The code is wrong or has expired. If you have used it already, {_FORGOTTEN}."
_HALFWAY = f"Your address is confirmed, but your password could not be set: please {_FORGOTTEN}."
CHARS_MIN = 10
# Cognito's own limit.
CHARS_MAX = 256
DIFFERENT_CHARS_MIN = 5
ISSUER = "MultiConnection"
_EXHAUSTED_RETRY_S = 60
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session, its account, and the cookies to set."""

    session: Session
    renewed: Renewal
    account: Account
    totp_enabled: bool


class SignIn:
    """Every answer takes at least `answer_s`.

    `ensure_account` opens the account of a user who signs in from an IP address; it may be repeated and raises
    LedgerUnavailable.
    """

    def __init__(
        self,
        provider: IdentityProvider,
        sessions: Sessions,
        attempts: AttemptLimits,
        ensure_account: Callable[[Session, str], Awaitable[Account]],
        revoker: SessionRevoker,
        challenges: Challenges,
        alarms: Alarms,
        answer_s: float,
    ) -> None:
        self._provider = provider
        self._sessions = sessions
        self._attempts = attempts
        self._ensure_account = ensure_account
        self._revoker = revoker
        self._challenges = challenges
        self._alarms = alarms
        self._answer_s = answer_s

    async def with_password(self, email: str, password: str, ip: str) -> SignedIn | PendingChallenge:
        """Raises SignInFailed (one message for every reason), RateLimited or IdentityUnavailable."""
        attempt = await self._attempts.admit("sign_in", ip, email)
        try:
            async with self._attempts.settled(attempt):
                outcome = await at_least(self._answer_s, self._provider.sign_in(email, password))
        except IdentityRefused as exc:
            raise SignInFailed(_FAILED) from exc
        if isinstance(outcome, Challenge):
            return await self._challenges.sealed(email, outcome)
        return await self._signed_in(await self._sessions.started(outcome), ip, totp_enabled=False)

    async def with_totp(self, token: str, code: str, ip: str) -> SignedIn:
        """Raises CodeInvalid, SignInFailed (the challenge has ended), RateLimited or IdentityUnavailable."""
        access = await at_least(self._answer_s, self._totp_answered(token, code, ip))
        return await self._signed_in(access, ip, totp_enabled=True)

    async def with_new_password(self, token: str, password: str, ip: str) -> SignedIn | PendingChallenge:
        """Replaces an invited user's first password, which serves once. Raises as `with_totp`, and PasswordTooWeak."""
        outcome = await at_least(self._answer_s, self._new_password_answered(token, password, ip))
        if isinstance(outcome, PendingChallenge):
            return outcome
        return await self._signed_in(outcome, ip, totp_enabled=False)

    async def out(self, presented: Presented) -> None:
        """Never fails: the browser drops its cookies in any case."""
        if presented.refresh_token is None:
            return
        try:
            await self._attempts.admit_renewal(presented.ip)
            await self._provider.revoke(presented.refresh_token)
        except (IdentityRefused, RateLimited, IdentityUnavailable) as exc:
            log.warning("refresh_token_not_revoked", extra={"error": type(exc).__name__})

    async def out_everywhere(self, session: Session) -> None:
        """Raises IdentityUnavailable or LedgerUnavailable."""
        await self._revoker.revoke(session.user_id)

    async def _totp_answered(self, token: str, code: str, ip: str) -> Access:
        challenge = await self._opened("totp", token, ip)
        try:
            async with self._step(challenge, ip):
                tokens = await self._provider.answer_totp(challenge.user_id, challenge.session, code)
        except CodeRefused as exc:
            raise CodeInvalid("The code is wrong or has been used.", param="code") from exc
        except IdentityRefused as exc:
            raise SignInFailed(_OVER) from exc
        return await self._started(challenge, tokens)

    async def _new_password_answered(self, token: str, password: str, ip: str) -> Access | PendingChallenge:
        challenge = await self._opened("new_password", token, ip)
        require_strong(password, challenge.email)
        try:
            async with self._step(challenge, ip):
                outcome = await self._provider.answer_new_password(challenge.user_id, challenge.session, password)
        except PasswordRefused as exc:
            raise _password_refused() from exc
        except IdentityRefused as exc:
            raise SignInFailed(_OVER) from exc
        if isinstance(outcome, Challenge):
            return await self._challenges.sealed(challenge.email, outcome)
        return await self._started(challenge, outcome)

    async def _opened(self, kind: ChallengeKind, token: str, ip: str) -> OpenedChallenge:
        """Raises SignInFailed, RateLimited or IdentityUnavailable; a refused token is counted on its network."""
        try:
            return await self._challenges.opened(kind, token)
        except ChallengeRefused as exc:
            # An expired token is no sign of an attack: the user took too long.
            if exc.why != "expired":
                log.warning("challenge_refused", extra={"error": exc.why, "challenge": kind})
            await self._attempts.admit_network("code", ip)
            raise SignInFailed(_OVER) from exc

    @asynccontextmanager
    async def _step(self, challenge: OpenedChallenge, ip: str) -> AsyncIterator[None]:
        """Wraps the provider's answer: counted, and possible once per challenge even if the provider allows more."""
        attempt = await self._attempts.admit("code", ip, challenge.email)
        try:
            async with self._attempts.once(f"challenge:{challenge.challenge_id}", LIFE_S):
                async with self._attempts.settled(attempt):
                    yield
        except AlreadyUsed as exc:
            log.warning("challenge_refused", extra={"error": "used"})
            raise SignInFailed(_OVER) from exc

    async def _started(self, challenge: OpenedChallenge, tokens: Tokens) -> Access:
        """The session, if it belongs to the user whose password was right. Raises SignInFailed."""
        access = await self._sessions.started(tokens)
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

    async def _signed_in(self, access: Access, ip: str, *, totp_enabled: bool) -> SignedIn:
        account = await self._ensure_account(access.session, ip)
        return SignedIn(access.session, access.renewed, account, totp_enabled)


class SignUp:
    """Every answer takes at least `answer_s`."""

    def __init__(
        self, provider: IdentityProvider, attempts: AttemptLimits, revoker: SessionRevoker, answer_s: float
    ) -> None:
        self._provider = provider
        self._attempts = attempts
        self._revoker = revoker
        self._answer_s = answer_s

    async def sign_up(self, email: str, password: str, name: str, ip: str) -> None:
        """One answer for new and known addresses. Raises PasswordTooWeak, RateLimited or IdentityUnavailable.

        The password is only checked here. Since anyone can sign up with any address, the provider gets a random one,
        and the owner of the mailbox sets the real one with the code.
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
        """Set the password of the user who has the mailed code; until then the password is random and unknown.

        Between the two steps the user is confirmed and has no known password: a mailed reset leads out of that state.
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
        await self._revoker.revoke_after_change(email)

    async def _set_password(self, email: str, password: str) -> None:
        try:
            await self._provider.set_password(email, password)
        except PasswordRefused as exc:
            raise _password_refused() from exc
        except (IdentityRefused, IdentityUnavailable) as exc:
            raise IdentityUnavailable(_HALFWAY) from exc


class Passwords:
    """Answers that could reveal an address take at least `answer_s`."""

    def __init__(
        self,
        provider: IdentityProvider,
        sessions: Sessions,
        attempts: AttemptLimits,
        revoker: SessionRevoker,
        answer_s: float,
    ) -> None:
        self._provider = provider
        self._sessions = sessions
        self._attempts = attempts
        self._revoker = revoker
        self._answer_s = answer_s

    async def forgot(self, email: str, ip: str) -> None:
        """One answer for every address. Raises RateLimited or IdentityUnavailable."""
        await self._attempts.admit("mail", ip, email)
        try:
            await at_least(self._answer_s, self._provider.forgot(email))
        except IdentityRefused:
            # Unknown, unconfirmed or asked too often: only the owner of the mailbox sees the difference.
            return

    async def reset(self, email: str, code: str, password: str, ip: str) -> None:
        """Ends all sessions and playground keys of the user. Raises PasswordTooWeak, CodeInvalid or RateLimited."""
        require_strong(password, email)
        attempt = await self._attempts.admit("code", ip, email)
        try:
            async with self._attempts.settled(attempt):
                await at_least(self._answer_s, self._provider.reset(email, code, password))
        except PasswordRefused as exc:
            raise _password_refused() from exc
        except IdentityRefused as exc:
            raise CodeInvalid("The code is wrong or has expired.", param="code") from exc
        await self._revoker.revoke_after_change(email)

    async def change(self, access: Access, current: str, new: str, ip: str) -> Renewal | None:
        """Ends every other session, and all playground keys.

        Returns None when this session has ended as well, because signing in again needs a code.
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
            raise _password_refused("new") from exc
        except (AttemptsExhausted, CodeRefused) as exc:
            raise _attempts_exhausted() from exc
        await self._revoker.revoke_after_change(session.user_id)
        return await self._signed_in_again(session.email, new)

    async def _signed_in_again(self, email: str, password: str) -> Renewal | None:
        try:
            outcome = await self._provider.sign_in(email, password)
        except (IdentityRefused, IdentityUnavailable):
            return None
        return (await self._sessions.started(outcome)).renewed if isinstance(outcome, Tokens) else None


@dataclass(frozen=True, slots=True)
class TotpSecret:
    """Shown once; `otpauth_url` is the content of the QR code."""

    secret: str
    otpauth_url: str


class Totp:
    """The second factor of an authenticator app: set up, enabled, disabled."""

    def __init__(self, provider: IdentityProvider, attempts: AttemptLimits) -> None:
        self._provider = provider
        self._attempts = attempts

    async def setup(self, access: Access) -> TotpSecret:
        """A new secret, in force once one of its codes is passed to `enable`.

        Raises RequestInvalid while another one is in force, or IdentityUnavailable.
        """
        await self._require_disabled(access.session)
        secret = await self._provider.new_totp_secret(access.access_token)
        label = quote(f"{ISSUER}:{access.session.email}")
        return TotpSecret(secret, f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': ISSUER})}")

    async def enable(self, access: Access, code: str, ip: str) -> None:
        """Raises RequestInvalid while a secret is in force, CodeInvalid or RateLimited."""
        await self._require_disabled(access.session)
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
            # The user has been deleted; the session ends with its token.
            return False

    async def _require_disabled(self, session: Session) -> None:
        """Require that the old factor is disabled first: the provider lets any session replace it."""
        if await self.is_enabled(session):
            raise RequestInvalid("One-time codes are on; switch them off first, with a code or your password.")

    async def _verify_code(self, access: Access, code: str, ip: str) -> None:
        attempt = await self._attempts.admit("code", ip, access.session.email)
        try:
            async with self._attempts.settled(attempt):
                await self._provider.verify_totp(access.access_token, code)
        except IdentityRefused as exc:
            raise CodeInvalid("The code is wrong or has been used.", param="code") from exc


def require_strong(password: str, email: str, param: str = "password") -> str:
    """Check a new password before the provider is asked, so that the answer reveals nothing about the address.

    Length rather than mixed characters, as NIST SP 800-63B recommends. Raises PasswordTooWeak.
    """
    if not CHARS_MIN <= len(password) <= CHARS_MAX:
        raise PasswordTooWeak(f"Use {CHARS_MIN} to {CHARS_MAX} characters for the password.", param=param)
    if password != password.strip():
        raise PasswordTooWeak("A password cannot begin or end with a space.", param=param)
    if len(set(password)) < DIFFERENT_CHARS_MIN:
        message = f"Use at least {DIFFERENT_CHARS_MIN} different characters in the password."
        raise PasswordTooWeak(message, param=param)
    if email and password.lower() in (email.lower(), email.lower().partition("@")[0]):
        raise PasswordTooWeak("Your e-mail address cannot be your password.", param=param)
    return password


async def at_least(seconds: float, work: Awaitable[T]) -> T:
    """The result or the error of `work`, after at least `seconds`."""
    loop = asyncio.get_running_loop()
    not_before = loop.time() + seconds
    try:
        return await work
    finally:
        await asyncio.sleep(max(0.0, not_before - loop.time()))


def _password_refused(param: str = "password") -> PasswordTooWeak:
    """The error for a password that passes our rules but not the provider's."""
    return PasswordTooWeak("This password is not accepted. Please choose another one.", param=param)


def _attempts_exhausted() -> RateLimited:
    return RateLimited(
        "Too many attempts. Please try again later.", reason="code_attempts", retry_after_s=_EXHAUSTED_RETRY_S
    )
