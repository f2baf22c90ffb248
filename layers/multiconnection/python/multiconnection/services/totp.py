"""A second factor from an authenticator app: set up, switched on, switched off."""

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.people_errors import CodeInvalid, SignInFailed
from multiconnection.domain.sessions import Session

from .attempts import Attempts
from .identity_ports import IdentityProvider, IdentityRefused
from .sessions import Access

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
