"""Signing up and confirming an e-mail address, without telling strangers which addresses are known."""

import secrets

from multiconnection.domain.people_errors import CodeInvalid, IdentityUnavailable

from .attempts import Attempts
from .identity_ports import IdentityProvider, IdentityRefused, PasswordRefused
from .passwords import refused_password, require_strong
from .session_ends import SessionEnds
from .uniform import at_least

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
