"""From cookies to a session: verify the ID token, renew it before it ends, once however many requests ask."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from multiconnection.errors import IdentityUnavailable, LedgerUnavailable, RateLimited, SessionExpired, SessionRequired
from multiconnection.ports import Clock
from multiconnection.retry import StoreError

from .attempts import Attempts
from .models import (
    Claims,
    CredentialsRefused,
    IdentityProvider,
    IdentityRefused,
    Session,
    TokenExpired,
    TokenRefused,
    Tokens,
    TokenVerifier,
    account_id_of,
)

# A token that ends sooner than this is renewed, so that no page finds itself signed out between two calls.
RENEW_BEFORE_S = 60
_EXPIRED = "Your session has expired. Please sign in again."
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Presented:
    """What a browser's cookies hold, and the address of the network that they come from."""

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
    """`renewed` is None where the presented ID token is good for a while."""

    session: Session
    renewed: Renewal | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """A session, freshly confirmed by the provider, with a token to change the identity itself."""

    session: Session
    access_token: str = field(repr=False)
    renewed: Renewal


class Sessions:
    """One per process. ID tokens are believed until they end, refresh tokens are asked about each time."""

    def __init__(self, provider: IdentityProvider, verifier: TokenVerifier, attempts: Attempts, clock: Clock) -> None:
        self._provider = provider
        self._verifier = verifier
        self._attempts = attempts
        self._clock = clock
        self._flights: dict[str, asyncio.Task[Access]] = {}

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
            # The last minute of a token that is still good is served, whatever becomes of its renewal.
            if claims is None:
                raise
            return Current(session_of(claims))
        _require_one_person(claims, renewed)
        return Current(renewed.session, renewed.renewed)

    async def access(self, presented: Presented) -> Access:
        """Raises SessionRequired, SessionExpired, RateLimited or IdentityUnavailable."""
        if presented.refresh_token is None:
            raise SessionExpired(_EXPIRED) if presented.id_token else SessionRequired("Please sign in.")
        claims, _ = await self._claims(presented.id_token)
        renewed = await self._renewed(presented.refresh_token, presented.ip)
        _require_one_person(claims, renewed)
        return renewed

    async def begun(self, tokens: Tokens) -> Access:
        """The session that tokens fresh from the provider stand for. Raises IdentityUnavailable."""
        try:
            claims = await self._verifier.verify(tokens.id_token)
        except TokenRefused as exc:
            log.exception("id_token_refused")
            raise IdentityUnavailable("The identity provider's answer could not be verified.") from exc
        return Access(session_of(claims), tokens.access_token, Renewal(tokens, claims.expires_s))

    async def _claims(self, id_token: str | None) -> tuple[Claims | None, bool]:
        """And whether there was a token that has merely expired."""
        if id_token is None:
            return None, False
        try:
            return await self._verifier.verify(id_token), True
        except TokenExpired:
            return None, True
        except TokenRefused:
            return None, False

    async def _renewed(self, refresh_token: str, ip: str) -> Access:
        """A page's requests arrive together and carry the same token: one of them renews it for all."""
        flight = self._flights.get(refresh_token)
        if flight is None:
            flight = asyncio.ensure_future(self._renew(refresh_token, ip))
            self._flights[refresh_token] = flight
            flight.add_done_callback(lambda done: self._landed(refresh_token, done))
        return await asyncio.shield(flight)

    def _landed(self, refresh_token: str, flight: "asyncio.Task[Access]") -> None:
        del self._flights[refresh_token]
        if not flight.cancelled():
            # Looked at, even where every request that waited for it has gone.
            flight.exception()

    async def _renew(self, refresh_token: str, ip: str) -> Access:
        attempt = await self._attempts.admit_renewal(ip)
        try:
            async with self._attempts.settled(attempt):
                tokens = await self._provider.refresh(refresh_token)
        except CredentialsRefused as exc:
            raise SessionExpired(_EXPIRED) from exc
        return await self.begun(tokens)


def _require_one_person(claims: Claims | None, renewed: Access) -> None:
    """Two cookies of different people are no session, so no request acts for another person than the one before.

    Raises SessionExpired.
    """
    if claims is not None and claims.user_id != renewed.session.user_id:
        log.warning("cookies_of_two_people")
        raise SessionExpired(_EXPIRED)


def session_of(claims: Claims) -> Session:
    return Session(
        account_id=account_id_of(claims.user_id),
        email=claims.email,
        name=claims.name,
        is_admin=claims.is_admin,
        user_id=claims.user_id,
    )


# Out everywhere: browsers' sessions end at the identity provider, the playground's keys here.


class SessionEnds:
    """`end_playground_keys` ends those of an account and raises StoreError."""

    def __init__(self, provider: IdentityProvider, end_playground_keys: Callable[[str], Awaitable[None]]) -> None:
        self._provider = provider
        self._end_playground_keys = end_playground_keys

    async def of_user(self, user_id: str) -> None:
        """Refresh tokens and playground keys end at once, ID tokens within their quarter of an hour.

        May be repeated. Raises IdentityUnavailable or LedgerUnavailable.
        """
        # Deleted meanwhile: nobody is left to be signed in.
        with suppress(IdentityRefused):
            await self._provider.sign_out_everywhere(user_id)
        try:
            await self._end_playground_keys(account_id_of(user_id))
        except StoreError as exc:
            message = "Your sessions have ended, but not the playground's keys; please try again."
            raise LedgerUnavailable(message, retry_after_s=1) from exc

    async def after_change(self, user: str) -> None:
        """Of a user id or an address whose password has just changed.

        Never raises: a failure here must not look like a failure of that.
        """
        with _logged():
            await self._provider.sign_out_everywhere(user)
        with _logged():
            await self._end_playground_keys(account_id_of(await self._provider.user_id_of(user)))


@contextmanager
def _logged() -> Iterator[None]:
    try:
        yield
    except (IdentityRefused, IdentityUnavailable, StoreError) as exc:
        log.warning("sessions_not_ended", extra={"error": type(exc).__name__})
