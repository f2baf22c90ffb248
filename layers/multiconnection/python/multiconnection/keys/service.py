"""The keys of the signed-in user: made, listed, changed, rotated, ended; and short-lived ones for the playground."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from multiconnection.errors import ApiKeyNotFound, LedgerUnavailable, RequestInvalid
from multiconnection.history.service import LastUses, UsageHistory
from multiconnection.ids import new_short_id
from multiconnection.ledger.models import Account
from multiconnection.money import NANO_PER_USD, nano_to_usd
from multiconnection.ports import Clock, Rng
from multiconnection.retry import Retry, StoreError, StoreThrottled, readable

from . import schemas as ask
from .models import ACTIVE, API, DELETED, HASH_DIGITS, SESSION, ApiKey, KeyRecords, KeyStore, hash_secret, new_secret
from .schemas import KeyBody, KeyPatch, KeyWishes

# Keys that one account can have, playground keys and old secrets not counted; each list shows all of them.
KEYS_MAX = 100
SESSION_LIFE_S = 30 * 60
SESSION_BUDGET_NANO = NANO_PER_USD
SESSION_KEYS_MAX = 5
# Ended playground keys that one request takes away; more of them wait for the next one.
REMOVED_MAX = 10
# `last_used` is read from the newest calls, because a write per call would cost more than it tells.
LAST_USED_ROWS = 200
_ID = re.compile(rf"([0-9A-Za-z]{{8}})(?:\.([0-9a-f]{{{HASH_DIGITS}}}))?")


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key, or one of its replaced secrets, as its owner sees it; `budget_left_nano` is None without a budget.

    Without a known call `last_used_s` is None, and since `unused_since_s` there has been none.
    """

    key: ApiKey
    status: str
    budget_left_nano: int | None
    last_used_s: int | None
    unused_since_s: int | None


# Create, list and delete API keys; the secret is shown once and stored only as its hash.


class AccountReader(Protocol):
    async def account(self, account_id: str) -> Account | None:
        """Strongly consistent; raises StoreError."""


class KeyService:
    """StoreErrors pass through after bounded repetition."""

    def __init__(self, keys: KeyStore, accounts: AccountReader, clock: Clock, rng: Rng) -> None:
        self._keys = keys
        self._accounts = accounts
        self._clock = clock
        self._rng = rng
        self._retry = Retry(rng)

    async def create(
        self,
        account_id: str,
        name: str,
        *,
        expires_s: int | None = None,
        models: tuple[str, ...] = (),
        ip_ranges: tuple[str, ...] = (),
        rpm: int | None = None,
        tpm: int | None = None,
        budget_nano: int | None = None,
        kind: str = API,
    ) -> tuple[ApiKey, str]:
        """The key and its secret, which nobody can read again. Raises RequestInvalid or AccountNotFound."""
        now_s, secret = self._clock.now(), new_secret(self._rng)
        key = ApiKey(
            key_hash=hash_secret(secret),
            key_id=new_short_id(self._rng),
            account_id=account_id,
            name=ask.require_name(name),
            status=ACTIVE,
            last4=secret[-4:],
            created_s=int(now_s),
            expires_s=ask.require_expiry(expires_s, now_s),
            models=ask.require_models(models),
            ip_ranges=ask.require_ip_ranges(ip_ranges),
            requests_per_minute=ask.require_limit(rpm, "requests_per_minute"),
            tokens_per_minute=ask.require_limit(tpm, "tokens_per_minute"),
            budget_nano=ask.require_budget(budget_nano),
            epoch=await self._epoch(account_id),
            kind=kind,
        )
        await self._store(key)
        return key, secret

    async def list(self, account_id: str) -> list[ApiKey]:
        """Newest first, without the deleted ones."""
        keys = [key for key in await self._keys.list(account_id) if key.status != DELETED]
        return sorted(keys, key=lambda key: (-key.created_s, key.key_id))

    async def delete(self, account_id: str, key_id: str) -> None:
        """Final, for all secrets of the key; takes effect at the next reserve. Raises KeyNotFound."""
        for _ in range(ATTEMPTS_MAX):
            try:
                await self._try_delete(account_id, key_id)
            except KeyChanged:
                continue
            return
        raise StoreThrottled("the key changed too often")

    async def end_session_keys(self, account_id: str) -> None:
        """Delete the playground keys that are still accepted. May be repeated."""
        now_s = self._clock.now()
        for key in await self.list(account_id):
            if key.kind == SESSION and key.is_usable(now_s):
                with suppress(KeyNotFound):
                    await self.delete(account_id, key.key_id)

    async def _epoch(self, account_id: str) -> int:
        account = await self._retry(lambda: self._accounts.account(account_id), ATTEMPTS_MAX)
        if account is None:
            raise AccountNotFound(account_id)
        return account.key_epoch

    async def _store(self, key: ApiKey) -> None:
        try:
            await self._retry(lambda: self._keys.create(key), ATTEMPTS_MAX)
        except AccountRefusedKey as exc:
            if key.budget_nano is None:
                raise AccountNotFound(key.account_id) from exc
            message = f"An account can have up to {CAPPED_KEYS_MAX} keys with a budget; delete one first."
            raise RequestInvalid(message, param="budget") from exc

    async def _try_delete(self, account_id: str, key_id: str) -> None:
        key = await self._retry(lambda: self._keys.by_id(account_id, key_id), ATTEMPTS_MAX)
        if key is None or key.status == DELETED:
            raise KeyNotFound(key_id)
        await self._retry(lambda: self._keys.delete(key), ATTEMPTS_MAX)


# Changes of a key that exists: its settings, its rotation, its end.
# Rotation gives the same key another secret. Both secrets are records with one `key_id`, so budget, limits and usage
# are shared exactly, whichever of them is presented; the old one has an end of its own. Everything that changes is
# written in one transaction with the account's key epoch: it takes effect at the next reserve, and a crash leaves
# either the old secret as it was or both.
# Whether a key is disabled, and when it expires, is copied to each of its secrets in that transaction; when a secret
# retires, and whether it was deleted by itself, is its own. So enabling or extending a key brings back exactly the
# secrets that would be accepted if it had never been disabled or shortened.


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


@dataclass(frozen=True, slots=True)
class ConsoleKeys:
    """Every method knows the account from the session alone; another account's key is not found."""

    keys: KeyService
    records: KeyRecords
    changes: KeyChanges
    accounts: AccountReader
    wishes: KeyWishes
    history: UsageHistory
    clock: Clock

    async def list(self, account_id: str, *, with_sessions: bool) -> Sequence[KeyView]:
        """Newest first; below each key its replaced secrets that have not ended. Raises LedgerUnavailable."""
        with readable("Your keys"):
            records = await self.records.list(account_id)
        uses = await self.history.last_uses(account_id, LAST_USED_ROWS)
        shown = [key for key in records if self._is_shown(key, with_sessions=with_sessions)]
        newest_s = {key.key_id: key.created_s for key in sorted(shown, key=lambda key: key.created_s)}
        shown.sort(key=lambda key: (-newest_s[key.key_id], key.key_id, bool(key.replaced_by), -key.created_s))
        return await self._views(account_id, shown, uses)

    async def create(self, account_id: str, body: KeyBody) -> tuple[KeyView, str]:
        """The key and its secret, which nobody can read again. Raises RequestInvalid or LedgerUnavailable."""
        wanted = KeyPatch.model_validate(body.model_dump(exclude_unset=True))
        settings = await self.wishes.settings(wanted, self.clock.now())
        async with _stored():
            await self._require_room(account_id)
            key, secret = await self.keys.create(
                account_id,
                settings["name"],
                expires_s=settings.get("expires_s"),
                models=settings.get("models", ()),
                ip_ranges=settings.get("ip_ranges", ()),
                rpm=settings.get("requests_per_minute"),
                tpm=settings.get("tokens_per_minute"),
                budget_nano=settings.get("budget_nano"),
            )
        return self._view(key, {key.key_id: key.budget_nano or 0}, LastUses({}, 0)), secret

    async def change(self, account_id: str, public_id: str, body: KeyPatch) -> KeyView:
        """Raises ApiKeyNotFound, RequestInvalid or LedgerUnavailable."""
        key_id, digits = _parts(public_id)
        if digits:
            raise RequestInvalid(
                "This secret has been replaced; change the key it belongs to, or delete it.", param="id"
            )
        settings = await self.wishes.settings(body, self.clock.now())
        uses = await self.history.last_uses(account_id, LAST_USED_ROWS)
        async with _stored():
            key = await self.changes.change(account_id, key_id, settings)
        return (await self._views(account_id, [key], uses))[0]

    async def delete(self, account_id: str, public_id: str) -> None:
        """A key with all its secrets, or one secret that has been replaced. Raises ApiKeyNotFound."""
        key_id, digits = _parts(public_id)
        async with _stored():
            if digits:
                await self.changes.end_old_secret(account_id, key_id, digits)
            else:
                await self.changes.end(account_id, key_id)

    async def rotate(self, account_id: str, public_id: str, overlap_s: int) -> tuple[KeyView, KeyView, str]:
        """The key with its new secret, and the old one. Raises ApiKeyNotFound, RequestInvalid or LedgerUnavailable."""
        key_id, digits = _parts(public_id)
        if digits:
            raise RequestInvalid("This secret has been replaced; rotate the key it belongs to.", param="id")
        # Read before: once the secret is made, nothing may fail that would keep it from its owner.
        uses, caps = await self.history.last_uses(account_id, LAST_USED_ROWS), await self._caps(account_id)
        async with _stored():
            rotated = await self.changes.rotate(account_id, key_id, overlap_s)
        return self._view(rotated.new, caps, uses), self._view(rotated.old, caps, uses), rotated.secret

    async def session_key(self, account_id: str) -> tuple[ApiKey, str]:
        """For the playground: half an hour, a dollar at most; the oldest of too many ends. Raises LedgerUnavailable."""
        now_s = int(self.clock.now())
        async with _stored():
            await self._clean_sessions(account_id, now_s)
            return await self.keys.create(
                account_id,
                "Playground",
                expires_s=now_s + SESSION_LIFE_S,
                budget_nano=SESSION_BUDGET_NANO,
                kind=SESSION,
            )

    async def _clean_sessions(self, account_id: str, now_s: int) -> None:
        sessions = [key for key in await self.records.list(account_id) if key.kind == SESSION]
        for key in [key for key in sessions if (key.expires_s or 0) <= now_s][:REMOVED_MAX]:
            await self.changes.remove(key)
        live = sorted((key for key in sessions if key.is_usable(now_s)), key=lambda key: key.created_s)
        for key in live[: max(0, len(live) - SESSION_KEYS_MAX + 1)]:
            with suppress(KeyNotFound):
                await self.changes.end(account_id, key.key_id)

    async def _require_room(self, account_id: str) -> None:
        """Two requests at once can pass it by one: a bound for the list's sake, not for money."""
        kept = [key for key in await self.records.list(account_id) if self._is_shown(key, with_sessions=False)]
        if len([key for key in kept if not key.replaced_by]) >= KEYS_MAX:
            raise RequestInvalid(f"An account can have up to {KEYS_MAX} keys; delete one first.")

    def _is_shown(self, key: ApiKey, *, with_sessions: bool) -> bool:
        if key.status == DELETED:
            return False
        if key.kind == API:
            return not (key.replaced_by and key.is_over(self.clock.now()))
        return with_sessions and key.is_usable(self.clock.now())

    async def _views(self, account_id: str, keys: Sequence[ApiKey], uses: LastUses) -> Sequence[KeyView]:
        caps = await self._caps(account_id)
        return [self._view(key, caps, uses) for key in keys]

    async def _caps(self, account_id: str) -> Mapping[str, int]:
        with readable("Your budgets"):
            account = await self.accounts.account(account_id)
        return account.key_caps if account else {}

    def _view(self, key: ApiKey, caps: Mapping[str, int], uses: LastUses) -> KeyView:
        expired = key.expires_s is not None and key.expires_s <= self.clock.now()
        left = None if key.budget_nano is None else caps.get(key.key_id, 0)
        status = "expired" if expired else key.status
        last_s = uses.of(key)
        return KeyView(key, status, left, last_s, max(key.created_s, uses.since_s) if last_s is None else None)


@asynccontextmanager
async def _stored() -> AsyncIterator[None]:
    try:
        yield
    except KeyNotFound as exc:
        raise ApiKeyNotFound("There is no such API key.", param="id") from exc
    except (StoreError, AccountNotFound, AccountRefusedKey) as exc:
        raise LedgerUnavailable(
            "It is not certain whether your keys were changed; look at the list before you try again.", retry_after_s=1
        ) from exc


def _parts(public_id: str) -> tuple[str, str]:
    """The key's id, and the digits of a replaced secret, empty for the key itself."""
    found = _ID.fullmatch(public_id)
    if found is None:
        raise ApiKeyNotFound("There is no such API key.", param="id")
    return found[1], found[2] or ""


CAPPED_KEYS_MAX = 64
# A change of a key meets the account's own traffic, and a transaction yields to every other write.
ATTEMPTS_MAX = 8


class KeyNotFound(Exception):
    """No such key in this account, or it has been deleted."""


class AccountNotFound(Exception):
    """No such account."""


class AccountRefusedKey(Exception):
    """The account is gone, or has CAPPED_KEYS_MAX keys with a budget."""


class KeyChanged(Exception):
    """The key is not as it was read; read it again."""


# Secrets that wait for their end beside the newest one.
RETIRED_MAX = 3
# Others may change the same key meanwhile; nobody changes one this often.
TRIES_MAX = 8
T = TypeVar("T")


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
