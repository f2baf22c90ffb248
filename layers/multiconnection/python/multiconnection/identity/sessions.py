"""Browser sessions: from cookies to a signed-in user, renewal, and the end of all sessions of a user."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from multiconnection.errors import IdentityUnavailable, LedgerUnavailable, RateLimited, SessionExpired, SessionRequired
from multiconnection.ports import Clock
from multiconnection.retry import StoreError

from .attempts import AttemptLimits
from .id_tokens import IdTokens
from .models import (
    Claims,
    CredentialsRefused,
    IdentityProvider,
    IdentityRefused,
    Session,
    TokenExpired,
    TokenRefused,
    Tokens,
    account_id_of,
)

# A token that ends sooner than this is renewed, so that a page is not signed out between two of its calls.
RENEW_BEFORE_S = 60
_EXPIRED = "Your session has expired. Please sign in again."
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Presented:
    """The session cookies that a browser sent, and its IP address."""

    id_token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)
    ip: str


@dataclass(frozen=True, slots=True)
class Renewal:
    """New cookies: the tokens, and when the ID token ends."""

    tokens: Tokens
    expires_s: int


@dataclass(frozen=True, slots=True)
class Current:
    """A session; `renewed` is None if the presented ID token remains valid."""

    session: Session
    renewed: Renewal | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """A session that the provider has just confirmed, with a token to change the identity itself."""

    session: Session
    access_token: str = field(repr=False)
    renewed: Renewal


class Sessions:
    """One per process. ID tokens are trusted until they end; refresh tokens are checked with the provider each time."""

    def __init__(self, provider: IdentityProvider, id_tokens: IdTokens, attempts: AttemptLimits, clock: Clock) -> None:
        self._provider = provider
        self._id_tokens = id_tokens
        self._attempts = attempts
        self._clock = clock
        self._renewals: dict[str, asyncio.Task[Access]] = {}

    async def current(self, presented: Presented) -> Current:
        """Raises SessionRequired, SessionExpired, RateLimited or IdentityUnavailable."""
        claims, had_token = await self._claims(presented.id_token)
        if claims is not None and claims.expires_s - self._clock.now() >= RENEW_BEFORE_S:
            return Current(session_of(claims))
        if presented.refresh_token is None:
            if claims is not None:
                return Current(session_of(claims))
            raise SessionExpired(_EXPIRED) if had_token else SessionRequired("Please sign in.")
        try:
            renewed = await self._renewed(presented.refresh_token, presented.ip)
        except (SessionExpired, RateLimited, IdentityUnavailable):
            # A token that is still valid is accepted in its last minute, even if its renewal fails.
            if claims is None:
                raise
            return Current(session_of(claims))
        _require_one_user(claims, renewed)
        return Current(renewed.session, renewed.renewed)

    async def access(self, presented: Presented) -> Access:
        """Raises SessionRequired, SessionExpired, RateLimited or IdentityUnavailable."""
        if presented.refresh_token is None:
            raise SessionExpired(_EXPIRED) if presented.id_token else SessionRequired("Please sign in.")
        claims, _ = await self._claims(presented.id_token)
        renewed = await self._renewed(presented.refresh_token, presented.ip)
        _require_one_user(claims, renewed)
        return renewed

    async def started(self, tokens: Tokens) -> Access:
        """The session that begins with tokens fresh from the provider. Raises IdentityUnavailable."""
        try:
            claims = await self._id_tokens.verify(tokens.id_token)
        except TokenRefused as exc:
            log.exception("id_token_refused")
            raise IdentityUnavailable("The identity provider's answer could not be verified.") from exc
        return Access(session_of(claims), tokens.access_token, Renewal(tokens, claims.expires_s))

    async def _claims(self, id_token: str | None) -> tuple[Claims | None, bool]:
        """The claims of a valid token, and whether the token was issued by us even if it has expired."""
        if id_token is None:
            return None, False
        try:
            return await self._id_tokens.verify(id_token), True
        except TokenExpired:
            return None, True
        except TokenRefused:
            return None, False

    async def _renewed(self, refresh_token: str, ip: str) -> Access:
        """Renew once for all concurrent requests of a page, which carry the same token."""
        renewal = self._renewals.get(refresh_token)
        if renewal is None:
            renewal = asyncio.ensure_future(self._renew(refresh_token, ip))
            self._renewals[refresh_token] = renewal
            renewal.add_done_callback(lambda done: self._forget(refresh_token, done))
        return await asyncio.shield(renewal)

    def _forget(self, refresh_token: str, renewal: "asyncio.Task[Access]") -> None:
        del self._renewals[refresh_token]
        if not renewal.cancelled():
            # Retrieved here, because every request that waited for it may be gone.
            renewal.exception()

    async def _renew(self, refresh_token: str, ip: str) -> Access:
        attempt = await self._attempts.admit_renewal(ip)
        try:
            async with self._attempts.settled(attempt):
                tokens = await self._provider.refresh(refresh_token)
        except CredentialsRefused as exc:
            raise SessionExpired(_EXPIRED) from exc
        return await self.started(tokens)


class SessionRevoker:
    """Ends browser sessions at the identity provider, and with them the playground's keys.

    `end_playground_keys` ends those of an account and raises StoreError.
    """

    def __init__(self, provider: IdentityProvider, end_playground_keys: Callable[[str], Awaitable[None]]) -> None:
        self._provider = provider
        self._end_playground_keys = end_playground_keys

    async def revoke(self, user_id: str) -> None:
        """Refresh tokens and playground keys end at once, ID tokens within a quarter of an hour.

        May be repeated. Raises IdentityUnavailable or LedgerUnavailable.
        """
        # A user who has been deleted has no sessions left.
        with suppress(IdentityRefused):
            await self._provider.sign_out_everywhere(user_id)
        try:
            await self._end_playground_keys(account_id_of(user_id))
        except StoreError as exc:
            message = "Your sessions have ended, but not the playground's keys; please try again."
            raise LedgerUnavailable(message, retry_after_s=1) from exc

    async def revoke_after_change(self, user: str) -> None:
        """End everything as `revoke` does, for a user id or an e-mail address whose password has just changed.

        Never raises: a failure here must not look like a failure of the change.
        """
        with _logged():
            await self._provider.sign_out_everywhere(user)
        with _logged():
            await self._end_playground_keys(account_id_of(await self._provider.user_id_of(user)))


def session_of(claims: Claims) -> Session:
    return Session(
        account_id=account_id_of(claims.user_id),
        email=claims.email,
        name=claims.name,
        is_admin=claims.is_admin,
        user_id=claims.user_id,
    )


def _require_one_user(claims: Claims | None, renewed: Access) -> None:
    """Refuse two cookies of different users, so that no request acts for another user than the one before.

    Raises SessionExpired.
    """
    if claims is not None and claims.user_id != renewed.session.user_id:
        log.warning("cookies_of_two_people")
        raise SessionExpired(_EXPIRED)


@contextmanager
def _logged() -> Iterator[None]:
    try:
        yield
    except (IdentityRefused, IdentityUnavailable, StoreError) as exc:
        log.warning("sessions_not_ended", extra={"error": type(exc).__name__})
