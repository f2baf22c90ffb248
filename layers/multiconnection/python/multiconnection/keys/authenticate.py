"""Authentication of API callers: from the presented key to the caller, with as little I/O as is safe.

Revocation. A key record is cached for a few seconds, so what stops a revoked key is not the cache but the account's
key epoch, which rises with every change of a key and is compared in the reserve. A caller therefore carries an epoch
that is never newer than the key record it goes with: the record is read (consistently) after the account image that
the epoch comes from. If the key is revoked after that read, the epoch has risen since the image and the reserve is
refused; if before, the read has shown it. Either way an older epoch costs one refused reserve, and a revoked key is
never accepted. The other order, a new image beside an older cached record, would accept one: so an image with a
higher epoch (`note_epoch`) makes every record of that account that was read before it be read again.
"""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from cachetools import LRUCache, TTLCache
from fastapi import Depends, Request
from starlette.datastructures import State

from multiconnection.context import RequestContext
from multiconnection.errors import ApiKeyInvalid, IpNotAuthorized, LedgerUnavailable
from multiconnection.limits.accounts import KnownAccounts
from multiconnection.limits.limiter import Limiter
from multiconnection.observability.logging import note_account
from multiconnection.ports import Clock
from multiconnection.retry import TRANSIENT, StoreError
from multiconnection.web.context import SCOPE_KEY, header

from .models import ApiKey, Caller, hash_secret, invalid_key, is_well_formed, presented_secret
from .store import KeysTable

ENTRIES_MAX = 10_000
# For both reads of a record: a reply is waited for 1.5 s, and one that does come takes milliseconds.
READ_S = 2.0


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    fresh_until: float


@dataclass(frozen=True, slots=True)
class _Epoch:
    """The highest key epoch seen in an account's images; `note` is its place in the order of this process's notes."""

    number: int
    note: int


class Authenticator:
    """One per process: its caches make look-ups rare."""

    def __init__(self, keys: KeysTable, limiter: Limiter, clock: Clock, cache_s: float = 5.0) -> None:
        self._keys = keys
        self._limiter = limiter
        self._clock = clock
        self._cache_s = cache_s
        self._known: LRUCache[str, _Known] = LRUCache(ENTRIES_MAX)
        self._unusable: TTLCache[str, bool] = TTLCache(ENTRIES_MAX, cache_s, clock.now)
        self._epochs: LRUCache[str, _Epoch] = LRUCache(ENTRIES_MAX)
        self._notes = 0

    async def authenticate(self, authorization: str | None, x_api_key: str | None, ip: str) -> Caller:
        """Raises RateLimited, ApiKeyRequired, ApiKeyInvalid, IpNotAuthorized or LedgerUnavailable."""
        await self._limiter.admit_ip(ip)
        secret = presented_secret(authorization, x_api_key)
        key_hash = hash_secret(secret)
        if not is_well_formed(secret) or key_hash in self._unusable:
            self._limiter.check_failed_auth(ip)
            self._limiter.count_failed_auth(ip)
            raise invalid_key(secret)
        caller = self._cached(key_hash) or await self._look_up(key_hash, ip)
        if caller is None:
            raise invalid_key(secret)
        if not caller.api_key.allows_ip(ip):
            raise IpNotAuthorized("This API key may not be used from your IP address.")
        return caller

    async def renew(self, caller: Caller, image_epoch: int) -> Caller:
        """Read the key again after the ledger has refused the caller's epoch, later than the image of its refusal.

        Raises ApiKeyInvalid if the key has been revoked.
        """
        self.note_epoch(caller.account_id, image_epoch)
        self.invalidate(caller.api_key.key_hash)
        renewed = await self._read(caller.api_key.key_hash)
        if renewed is None:
            raise self._revoked(caller.api_key)
        return renewed

    def note_epoch(self, account_id: str, epoch: int) -> None:
        """Take note of an account image that was read; any image may be noted, in any order."""
        noted = self._epochs.get(account_id)
        if noted is None or epoch > noted.number:
            self._notes += 1
            self._epochs[account_id] = _Epoch(epoch, self._notes)

    def invalidate(self, key_hash: str) -> None:
        """Make the next call with this key read its record again."""
        if known := self._known.get(key_hash):
            self._known[key_hash] = _Known(known.caller, 0.0)
        self._unusable.pop(key_hash, None)

    def _cached(self, key_hash: str) -> Caller | None:
        known, now = self._known.get(key_hash), self._clock.now()
        if known is None or now >= known.fresh_until or not known.caller.api_key.is_usable(now):
            return None
        noted = self._epochs.get(known.caller.account_id)
        return known.caller if noted is None or noted.number <= known.caller.epoch else None

    async def _look_up(self, key_hash: str, ip: str) -> Caller | None:
        """A key that has been valid in this process is looked up even if its address has failed too often."""
        if self._known.get(key_hash) is None:
            self._limiter.check_failed_auth(ip)
        caller = await self._read(key_hash)
        if caller is None:
            await self._limiter.note_failed_auth(ip)
        return caller

    async def _read(self, key_hash: str) -> Caller | None:
        notes_before = self._notes
        try:
            async with asyncio.timeout(READ_S):
                api_key = await self._find(key_hash)
        except (StoreError, TimeoutError) as exc:
            raise LedgerUnavailable("The API key could not be checked, please try again.", retry_after_s=1) from exc
        now = self._clock.now()
        if api_key is None or not api_key.is_usable(now):
            self._known.pop(key_hash, None)
            self._unusable[key_hash] = True
            return None
        caller = Caller(api_key.account_id, api_key, self._epoch_before(api_key, notes_before))
        self._known[key_hash] = _Known(caller, now + self._cache_s)
        self._unusable.pop(key_hash, None)
        return caller

    async def _find(self, key_hash: str) -> ApiKey | None:
        """Repeat a failed read once: a single lost reply is no reason to refuse a caller."""
        try:
            return await self._keys.find(key_hash)
        except TRANSIENT:
            return await self._keys.find(key_hash)

    def _epoch_before(self, api_key: ApiKey, notes_before: int) -> int:
        """The newest epoch that is certainly older than the record just read."""
        noted = self._epochs.get(api_key.account_id)
        if noted is None or noted.note > notes_before:
            return api_key.epoch
        return max(noted.number, api_key.epoch)

    @staticmethod
    def _revoked(api_key: ApiKey) -> ApiKeyInvalid:
        return invalid_key(f"sk-live-{'*' * 32}{api_key.last4}")


async def authenticated(request: Request) -> Caller:
    """The owner of the presented key. Raises ApiKeyRequired, ApiKeyInvalid, RateLimited or IpNotAuthorized."""
    state: State = request.app.state
    authenticator: Authenticator = state.authenticator
    seen: KnownAccounts = state.seen
    limiter: Limiter = state.limiter
    context: RequestContext = request.scope[SCOPE_KEY]
    scope = request.scope
    caller = await authenticator.authenticate(header(scope, b"authorization"), header(scope, b"x-api-key"), context.ip)
    await seen.ensure_known(caller.account_id)
    note_account(caller.account_id)
    context.limits = lambda: limiter.state(caller.api_key.rates, seen.limits(caller.account_id)).headers()
    return caller


CallerDep = Annotated[Caller, Depends(authenticated)]
