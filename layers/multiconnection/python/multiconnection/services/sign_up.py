"""Signing up and confirming an e-mail address, without telling strangers which addresses are known."""

from multiconnection.domain.errors import CodeInvalid

from .attempts import Attempts
from .identity_ports import IdentityProvider, IdentityRefused, PasswordRefused
from .passwords import refused_password, require_strong
from .uniform import at_least


class SignUp:
    """`answer_s` is how long every answer takes at least."""

    def __init__(self, provider: IdentityProvider, attempts: Attempts, answer_s: float) -> None:
        self._provider = provider
        self._attempts = attempts
        self._answer_s = answer_s

    async def sign_up(self, email: str, password: str, name: str, ip: str) -> None:
        """One answer for new and known addresses. Raises PasswordTooWeak, RateLimited or IdentityUnavailable."""
        require_strong(password, email)
        await self._attempts.admit("mail", ip, email)
        try:
            await at_least(self._answer_s, self._provider.sign_up(email, password, name))
        except PasswordRefused as exc:
            raise refused_password() from exc
        except IdentityRefused:
            return

    async def resend(self, email: str, ip: str) -> None:
        """One answer for every address. Raises RateLimited or IdentityUnavailable."""
        await self._attempts.admit("mail", ip, email)
        try:
            await at_least(self._answer_s, self._provider.resend_code(email))
        except IdentityRefused:
            return

    async def confirm(self, email: str, code: str, ip: str) -> None:
        """Raises CodeInvalid (also for unknown and confirmed addresses), RateLimited or IdentityUnavailable."""
        attempt = await self._attempts.admit("code", ip, email)
        try:
            await at_least(self._answer_s, self._provider.confirm_sign_up(email, code))
        except IdentityRefused as exc:
            raise CodeInvalid("The code is wrong or has expired.", param="code") from exc
        await self._attempts.give_back(attempt)
