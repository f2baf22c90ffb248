"""Out everywhere: browsers' sessions end at the identity provider, the playground's keys here."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from multiconnection.domain.api_keys import SESSION, ApiKey
from multiconnection.domain.errors import LedgerUnavailable
from multiconnection.domain.people_errors import IdentityUnavailable
from multiconnection.domain.ports import Clock
from multiconnection.domain.sessions import account_id_of
from multiconnection.ledger.store import StoreError

from .identity_ports import IdentityProvider, IdentityRefused
from .keys import KeyNotFound

log = logging.getLogger(__name__)


class SessionKeys(Protocol):
    """The part of `KeyService` that ends keys."""

    async def list(self, account_id: str) -> Sequence[ApiKey]: ...
    async def delete(self, account_id: str, key_id: str) -> None: ...


class SessionEnds:
    def __init__(self, provider: IdentityProvider, keys: SessionKeys, clock: Clock) -> None:
        self._provider = provider
        self._keys = keys
        self._clock = clock

    async def of_user(self, user_id: str) -> None:
        """Refresh tokens and playground keys end at once, ID tokens within their quarter of an hour.

        May be repeated. Raises IdentityUnavailable or LedgerUnavailable.
        """
        # Deleted meanwhile: nobody is left to be signed in.
        with suppress(IdentityRefused):
            await self._provider.sign_out_everywhere(user_id)
        try:
            await self._end_keys(user_id)
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
            await self._end_keys(await self._provider.user_id_of(user))

    async def _end_keys(self, user_id: str) -> None:
        account_id, now_s = account_id_of(user_id), self._clock.now()
        for key in await self._keys.list(account_id):
            if key.kind == SESSION and key.is_usable(now_s):
                with suppress(KeyNotFound):
                    await self._keys.delete(account_id, key.key_id)


@contextmanager
def _logged() -> Iterator[None]:
    try:
        yield
    except (IdentityRefused, IdentityUnavailable, StoreError) as exc:
        log.warning("sessions_not_ended", extra={"error": type(exc).__name__})
