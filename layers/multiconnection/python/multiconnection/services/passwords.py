"""Rules for new passwords, and the ways to get one: forgotten, reset by code, changed."""

from multiconnection.domain.errors import RateLimited
from multiconnection.domain.people_errors import CodeInvalid, IdentityUnavailable, PasswordTooWeak, SignInFailed

from .attempts import Attempts
from .identity_ports import (
    AttemptsExhausted,
    CodeRefused,
    CredentialsRefused,
    IdentityProvider,
    IdentityRefused,
    PasswordRefused,
    Tokens,
)
from .session_ends import SessionEnds
from .sessions import Access, Renewal, Sessions
from .uniform import at_least

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
