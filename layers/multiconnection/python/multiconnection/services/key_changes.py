"""Changes of a key that exists: its settings, its rotation, its end.

Rotation gives the same key another secret. Both secrets are records with one `key_id`, so budget, limits and usage
are shared exactly, whichever of them is presented; the old one has an end of its own. Everything that changes is
written in one transaction with the account's key epoch: it takes effect at the next reserve, and a crash leaves
either the old secret as it was or both.

Whether a key is disabled, and when it expires, is copied to each of its secrets in that transaction; when a secret
retires, and whether it was deleted by itself, is its own. So enabling or extending a key brings back exactly the
secrets that would be accepted if it had never been disabled or shortened.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from multiconnection.domain.api_keys import API, ApiKey, hash_secret, new_secret
from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.money import nano_to_usd
from multiconnection.domain.ports import Clock, Rng
from multiconnection.ledger.retry import Retry
from multiconnection.ledger.store import StoreThrottled

from .keys import (
    ATTEMPTS_MAX,
    CAPPED_KEYS_MAX,
    DELETED,
    AccountNotFound,
    AccountReader,
    AccountRefusedKey,
    KeyChanged,
    KeyNotFound,
    KeyStore,
)

# Secrets that wait for their end beside the newest one.
RETIRED_MAX = 3
# Others may change the same key meanwhile; nobody changes one this often.
TRIES_MAX = 8
T = TypeVar("T")


class KeyRecords(KeyStore, Protocol):
    async def find(self, key_hash: str) -> ApiKey | None:
        """Strongly consistent; raises StoreError."""


class KeyChangeStore(Protocol):
    async def replace(self, pairs: Sequence[tuple[ApiKey, ApiKey]]) -> None:
        """(as read, as it shall be) of a key, then of its old secrets.

        Raises KeyChanged, AccountRefusedKey or StoreError.
        """

    async def rotate(self, before: ApiKey, retired: ApiKey, new: ApiKey, gone: Sequence[str]) -> None:
        """May be repeated with the same new secret. Raises KeyChanged or StoreError."""

    async def remove(self, key: ApiKey) -> None:
        """Harmless when it is gone already. Raises StoreError."""


@dataclass(frozen=True, slots=True)
class Rotated:
    new: ApiKey
    secret: str
    old: ApiKey


class KeyChanges:
    """StoreErrors pass through after bounded repetition."""

    def __init__(
        self, keys: KeyRecords, changes: KeyChangeStore, accounts: AccountReader, clock: Clock, rng: Rng
    ) -> None:
        self._keys = keys
        self._changes = changes
        self._accounts = accounts
        self._clock = clock
        self._rng = rng
        self._retry = Retry(rng)

    async def change(self, account_id: str, key_id: str, settings: Mapping[str, Any]) -> ApiKey:
        """`settings` are fields of `ApiKey`, checked before. Raises KeyNotFound or RequestInvalid."""
        return await _again(lambda: self._change(account_id, key_id, settings))

    async def rotate(self, account_id: str, key_id: str, overlap_s: int) -> Rotated:
        """A new secret; the old one is accepted for `overlap_s` more. Raises KeyNotFound or RequestInvalid."""
        secret = new_secret(self._rng)
        return await _again(lambda: self._rotate(account_id, key_id, secret, overlap_s))

    async def end(self, account_id: str, key_id: str) -> None:
        """The key with all its secrets, for good. Raises KeyNotFound."""

        async def delete() -> None:
            key = await self._current(account_id, key_id)
            await self._retry(lambda: self._keys.delete(key), ATTEMPTS_MAX)

        await _again(delete)

    async def end_old_secret(self, account_id: str, key_id: str, digits: str) -> None:
        """One secret that has been replaced, before its time. Raises KeyNotFound."""

        async def delete() -> None:
            olds = await self._old_secrets(await self._current(account_id, key_id))
            ends = [old for old in olds if old.key_hash.startswith(digits) and not old.is_over(self._clock.now())]
            if not ends:
                raise KeyNotFound(key_id)
            await self._retry(lambda: self._keys.delete(ends[0]), ATTEMPTS_MAX)

        await _again(delete)

    async def remove(self, key: ApiKey) -> None:
        """For good, without a trace: for keys that have ended and that nobody will ask about."""
        await self._retry(lambda: self._changes.remove(key), ATTEMPTS_MAX)

    async def _change(self, account_id: str, key_id: str, settings: Mapping[str, Any]) -> ApiKey:
        before = await self._current(account_id, key_id)
        if before.kind != API:
            raise RequestInvalid("A playground key cannot be changed; it ends by itself.", param="id")
        after = replace(before, **settings)
        if after == before:
            return before
        if before.budget_nano is None and after.budget_nano is not None:
            await self._require_no_old_budget(before)
        pairs = [(before, after), *((old, _follower(old, after)) for old in await self._old_secrets(before))]
        try:
            await self._retry(lambda: self._changes.replace(pairs), ATTEMPTS_MAX)
        except AccountRefusedKey as exc:
            raise await self._budget_refusal(before, after) from exc
        return after

    async def _rotate(self, account_id: str, key_id: str, secret: str, overlap_s: int) -> Rotated:
        before, now_s = await self._current(account_id, key_id), self._clock.now()
        if before.kind != API or not before.is_usable(now_s):
            raise RequestInvalid("Only an active key can be rotated; make a new one instead.", param="id")
        live = [old.key_hash for old in await self._old_secrets(before) if not old.is_over(now_s)]
        if len(live) >= RETIRED_MAX:
            message = f"{RETIRED_MAX} old secrets of this key are still accepted; delete one first."
            raise RequestInvalid(message, param="id")
        rotated = await self._rotated(before, secret, live, now_s, overlap_s)
        gone = [key_hash for key_hash in before.retired if key_hash not in live]
        await self._retry(lambda: self._changes.rotate(before, rotated.old, rotated.new, gone), ATTEMPTS_MAX)
        return rotated

    async def _rotated(self, before: ApiKey, secret: str, live: Sequence[str], now_s: float, overlap_s: int) -> Rotated:
        key_hash, end_s = hash_secret(secret), int(now_s) + overlap_s
        new = replace(
            before,
            key_hash=key_hash,
            last4=secret[-4:],
            created_s=int(now_s),
            epoch=await self._epoch(before.account_id),
            retired=(before.key_hash, *live),
            revision=0,
        )
        expires_s = _earlier(before.expires_s, end_s)
        old = replace(before, replaced_by=key_hash, retired=(), retires_s=end_s, expires_s=expires_s)
        return Rotated(new, secret, old)

    async def _current(self, account_id: str, key_id: str) -> ApiKey:
        key = await self._retry(lambda: self._keys.by_id(account_id, key_id), ATTEMPTS_MAX)
        if key is None or key.status == DELETED:
            raise KeyNotFound(key_id)
        return key

    async def _old_secrets(self, key: ApiKey) -> list[ApiKey]:
        found = [await self._find(key_hash) for key_hash in key.retired]
        return [old for old in found if old is not None]

    async def _find(self, key_hash: str) -> ApiKey | None:
        return await self._retry(lambda: self._keys.find(key_hash), ATTEMPTS_MAX)

    async def _epoch(self, account_id: str) -> int:
        account = await self._retry(lambda: self._accounts.account(account_id), ATTEMPTS_MAX)
        if account is None:
            raise AccountNotFound(account_id)
        return account.key_epoch

    async def _require_no_old_budget(self, key: ApiKey) -> None:
        """A call that was set aside from an earlier budget would give its rest back to the new one.

        No such call can begin between this look and the change: without a budget nothing is set aside from one.
        """
        account = await self._retry(lambda: self._accounts.account(key.account_id), ATTEMPTS_MAX)
        if account and any(hold.capped and hold.key_id == key.key_id for hold in account.holds.values()):
            message = "Calls that count towards this key's earlier budget are still running. Try again when they end."
            raise RequestInvalid(message, param="budget")

    async def _budget_refusal(self, before: ApiKey, after: ApiKey) -> Exception:
        if before.budget_nano is None or after.budget_nano is None:
            message = f"An account can have up to {CAPPED_KEYS_MAX} keys with a budget; delete one first."
            return RequestInvalid(message, param="budget")
        account = await self._retry(lambda: self._accounts.account(before.account_id), ATTEMPTS_MAX)
        left = account.key_caps.get(before.key_id) if account else None
        if left is None:
            return StoreThrottled("the key's budget changed meanwhile")
        used = nano_to_usd(before.budget_nano - left)
        return RequestInvalid(f"This key has already used or set aside {used} USD of its budget.", param="budget")


async def _again(attempt: Callable[[], Awaitable[T]]) -> T:
    """The whole of read, decide and write, until nobody has changed the key in between."""
    for _ in range(TRIES_MAX):
        with suppress(KeyChanged):
            return await attempt()
    raise StoreThrottled("the key changed too often")


def _follower(old: ApiKey, key: ApiKey) -> ApiKey:
    """An old secret has its key's settings and status, and an end of its own; a deleted one stays deleted."""
    # Records from before `retires_s` have their own end in `expires_s` alone.
    own_end_s = old.expires_s if old.retires_s is None else old.retires_s
    return replace(
        old,
        name=key.name,
        models=key.models,
        ip_ranges=key.ip_ranges,
        requests_per_minute=key.requests_per_minute,
        tokens_per_minute=key.tokens_per_minute,
        budget_nano=key.budget_nano,
        expires_s=_earlier(key.expires_s, own_end_s),
        status=old.status if old.status == DELETED else key.status,
    )


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((end for end in (one, other) if end is not None), default=None)
