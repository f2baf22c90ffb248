"""An account's API keys: created, listed, changed, rotated and deleted; and the short-lived keys of the playground.

Rotation gives a key another secret. Both secrets are records with one `key_id`, so budget, limits and usage are shared
exactly, whichever of them is presented; the old one has an end of its own. Everything that changes is written in one
transaction with the account's key epoch: it takes effect at the next reserve, and a crash leaves either the old secret
as it was or both.

The status and the expiry of a key are copied to each of its secrets in that transaction; when a secret retires, and
whether it was deleted by itself, is its own. So enabling or extending a key brings back exactly the secrets that would
be accepted if it had never been disabled or shortened.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from multiconnection.errors import ApiKeyNotFound, LedgerUnavailable, RequestInvalid
from multiconnection.ids import new_short_id
from multiconnection.ledger.models import Account
from multiconnection.ledger.store import Store
from multiconnection.money import NANO_PER_USD, nano_to_usd
from multiconnection.ports import Clock, Rng
from multiconnection.retry import Retry, StoreError, StoreThrottled, readable

from .models import (
    ACTIVE,
    API,
    CAPPED_KEYS_MAX,
    DELETED,
    HASH_DIGITS,
    SESSION,
    AccountRefusedKey,
    ApiKey,
    KeyChanged,
    KeyNotFound,
    KeyView,
    LastUses,
    RotatedKey,
    hash_secret,
    new_secret,
)
from .schemas import KeyBody, KeyPatch, KeySettings
from .store import KeysTable

# Keys that one account can have, playground keys and old secrets not counted; each list shows all of them.
KEYS_MAX = 100
# Old secrets of a key that may still be accepted beside the newest one.
RETIRED_MAX = 3
SESSION_LIFE_S = 30 * 60
SESSION_BUDGET_NANO = NANO_PER_USD
SESSION_KEYS_MAX = 5
# Ended playground keys that one request removes; the next one goes on.
REMOVED_MAX = 10
# The latest time that `expires_at` can name.
TIME_S_MAX = 10**11
# A change of a key meets the account's own traffic, and a transaction yields to every other write.
ATTEMPTS_MAX = 8
# Reads, decisions and writes of one change, while others change the same key.
ROUNDS_MAX = 8
_NO_USES = LastUses({}, 0)
_ID = re.compile(rf"([0-9A-Za-z]{{8}})(?:\.([0-9a-f]{{{HASH_DIGITS}}}))?")
T = TypeVar("T")

ModelId = Callable[[str], Awaitable[str | None]]
"""The id of a model by its id or alias, None if there is no such model; raises LedgerUnavailable."""
LastUsesOf = Callable[[str], Awaitable[LastUses]]
"""The last uses of an account's keys; raises LedgerUnavailable."""


async def any_model(name: str) -> str | None:
    """Accepts every name: for tools without a catalog."""
    return name


async def unknown_uses(account_id: str) -> LastUses:
    """Knows no calls: for tools that do not show when a key was used."""
    return _NO_USES


class KeyService:
    """Keys of one account at a time; another account's key is not found.

    Methods for the console raise GatewayErrors. `list`, `issue` and `end_session_keys` are for other rooms and for
    tools, and let StoreErrors pass. Transient StoreErrors of writes are answered with bounded repetition.
    """

    def __init__(
        self,
        table: KeysTable,
        accounts: Store,
        clock: Clock,
        rng: Rng,
        model_id: ModelId = any_model,
        last_uses: LastUsesOf = unknown_uses,
    ) -> None:
        self._table = table
        self._accounts = accounts
        self._clock = clock
        self._rng = rng
        self._retry = Retry(rng)
        self._model_id = model_id
        self._last_uses = last_uses

    async def views(self, account_id: str, *, with_sessions: bool) -> Sequence[KeyView]:
        """Newest first; below each key its replaced secrets that have not ended. Raises LedgerUnavailable."""
        with readable("Your keys"):
            records = await self._table.list(account_id)
        uses = await self._last_uses(account_id)
        shown = [key for key in records if self._is_shown(key, with_sessions=with_sessions)]
        newest_s = {key.key_id: key.created_s for key in sorted(shown, key=lambda key: key.created_s)}
        shown.sort(key=lambda key: (-newest_s[key.key_id], key.key_id, bool(key.replaced_by), -key.created_s))
        caps = await self._caps(account_id)
        return [self._view(key, caps, uses) for key in shown]

    async def create(self, account_id: str, body: KeyBody) -> tuple[KeyView, str]:
        """The key and its secret, which cannot be read again. Raises RequestInvalid or LedgerUnavailable."""
        fields = await self._fields(body)
        async with _changing():
            await self._require_room(account_id)
            key, secret = await self.issue(account_id, body.name, **fields)
        return self._view(key, {key.key_id: key.budget_nano or 0}, _NO_USES), secret

    async def change(self, account_id: str, public_id: str, body: KeyPatch) -> KeyView:
        """Raises ApiKeyNotFound, RequestInvalid or LedgerUnavailable."""
        key_id, digits = _parts(public_id)
        if digits:
            message = "This secret has been replaced; change the key it belongs to, or delete it."
            raise RequestInvalid(message, param="id")
        fields = await self._fields(body)
        uses = await self._last_uses(account_id)
        async with _changing():
            key = await _until_unchanged(lambda: self._change(account_id, key_id, fields))
        return self._view(key, await self._caps(account_id), uses)

    async def rotate(self, account_id: str, public_id: str, overlap_s: int) -> RotatedKey:
        """A new secret; the old one is accepted for `overlap_s` more.

        Raises ApiKeyNotFound, RequestInvalid or LedgerUnavailable.
        """
        key_id, digits = _parts(public_id)
        if digits:
            raise RequestInvalid("This secret has been replaced; rotate the key it belongs to.", param="id")
        # Read before: once the secret is made, nothing may fail that would keep it from its owner.
        uses, caps = await self._last_uses(account_id), await self._caps(account_id)
        secret = new_secret(self._rng)
        async with _changing():
            new, old = await _until_unchanged(lambda: self._rotate(account_id, key_id, secret, overlap_s))
        return RotatedKey(self._view(new, caps, uses), self._view(old, caps, uses), secret)

    async def delete(self, account_id: str, public_id: str) -> None:
        """Delete a key with all its secrets, or one secret that has been replaced, for good.

        Raises ApiKeyNotFound or LedgerUnavailable.
        """
        key_id, digits = _parts(public_id)
        async with _changing():
            if digits:
                await _until_unchanged(lambda: self._delete_old_secret(account_id, key_id, digits))
            else:
                await self._delete_key(account_id, key_id)

    async def session_key(self, account_id: str) -> tuple[ApiKey, str]:
        """A key for the playground: half an hour, one dollar; the oldest of too many ends. Raises LedgerUnavailable."""
        now_s = int(self._clock.now())
        async with _changing():
            await self._make_room_for_session(account_id, now_s)
            expires_s = now_s + SESSION_LIFE_S
            return await self.issue(
                account_id, "Playground", kind=SESSION, expires_s=expires_s, budget_nano=SESSION_BUDGET_NANO
            )

    async def list(self, account_id: str) -> list[ApiKey]:
        """Newest first, old secrets and playground keys too, without the deleted ones. Raises StoreError."""
        keys = [key for key in await self._table.list(account_id) if key.status != DELETED]
        return sorted(keys, key=lambda key: (-key.created_s, key.key_id))

    async def issue(
        self,
        account_id: str,
        name: str,
        *,
        kind: str = API,
        expires_s: int | None = None,
        models: tuple[str, ...] = (),
        ip_ranges: tuple[str, ...] = (),
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        budget_nano: int | None = None,
    ) -> tuple[ApiKey, str]:
        """A key with these settings, which have been checked before, and its secret.

        Raises RequestInvalid, AccountRefusedKey or StoreError.
        """
        secret = new_secret(self._rng)
        key = ApiKey(
            key_hash=hash_secret(secret),
            key_id=new_short_id(self._rng),
            account_id=account_id,
            name=name,
            status=ACTIVE,
            last4=secret[-4:],
            created_s=int(self._clock.now()),
            epoch=await self._epoch(account_id),
            expires_s=expires_s,
            models=models,
            ip_ranges=ip_ranges,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            budget_nano=budget_nano,
            kind=kind,
        )
        try:
            await self._repeated(lambda: self._table.create(key))
        except AccountRefusedKey as exc:
            if budget_nano is None:
                raise
            raise _no_slot() from exc
        return key, secret

    async def end_session_keys(self, account_id: str) -> None:
        """Delete the playground keys that are still accepted. May be repeated. Raises StoreError."""
        now_s = self._clock.now()
        for key in await self.list(account_id):
            if key.kind == SESSION and key.is_usable(now_s):
                with suppress(KeyNotFound):
                    await self._delete_key(account_id, key.key_id)

    async def _fields(self, body: KeySettings) -> dict[str, Any]:
        """The members that were sent, as fields of `ApiKey`, checked. Raises RequestInvalid or LedgerUnavailable."""
        fields = body.fields()
        expires_s = fields.get("expires_s")
        if expires_s is not None and not self._clock.now() < expires_s < TIME_S_MAX:
            raise RequestInvalid("'expires_at' must be a time in the future, in whole seconds.", param="expires_at")
        if "models" in fields:
            fields["models"] = await self._model_ids(fields["models"])
        return fields

    async def _model_ids(self, names: Iterable[str]) -> tuple[str, ...]:
        """Ids, also for aliases: calls are compared by id."""
        found: dict[str, None] = {}
        for name in names:
            model_id = await self._model_id(name)
            if model_id is None:
                raise RequestInvalid(f"The model {name[:128]!r} does not exist.", param="models")
            found[model_id] = None
        return tuple(found)

    async def _change(self, account_id: str, key_id: str, fields: Mapping[str, Any]) -> ApiKey:
        before = await self._current(account_id, key_id)
        if before.kind != API:
            raise RequestInvalid("A playground key cannot be changed; it ends by itself.", param="id")
        after = replace(before, **fields)
        if after == before:
            return before
        if before.budget_nano is None and after.budget_nano is not None:
            await self._require_no_old_budget(before)
        pairs = [(before, after), *((old, old.following(after)) for old in await self._old_secrets(before))]
        try:
            await self._repeated(lambda: self._table.replace(pairs))
        except AccountRefusedKey as exc:
            raise await self._budget_refusal(before, after) from exc
        return after

    async def _rotate(self, account_id: str, key_id: str, secret: str, overlap_s: int) -> tuple[ApiKey, ApiKey]:
        """The record of the new secret, and the one of the old."""
        before, now_s = await self._current(account_id, key_id), self._clock.now()
        if before.kind != API or not before.is_usable(now_s):
            raise RequestInvalid("Only an active key can be rotated; make a new one instead.", param="id")
        live = [old.key_hash for old in await self._old_secrets(before) if not old.is_over(now_s)]
        if len(live) >= RETIRED_MAX:
            message = f"{RETIRED_MAX} old secrets of this key are still accepted; delete one first."
            raise RequestInvalid(message, param="id")
        new, old = before.rotated(secret, await self._epoch(account_id), int(now_s), overlap_s, live)
        gone = [retired for retired in before.retired if retired not in live]
        await self._repeated(lambda: self._table.rotate(before, old, new, gone))
        return new, old

    async def _delete_key(self, account_id: str, key_id: str) -> None:
        async def delete() -> None:
            key = await self._current(account_id, key_id)
            await self._repeated(lambda: self._table.delete(key))

        await _until_unchanged(delete)

    async def _delete_old_secret(self, account_id: str, key_id: str, digits: str) -> None:
        olds = await self._old_secrets(await self._current(account_id, key_id))
        found = [old for old in olds if old.digits == digits and not old.is_over(self._clock.now())]
        if not found:
            raise KeyNotFound(key_id)
        await self._repeated(lambda: self._table.delete(found[0]))

    async def _current(self, account_id: str, key_id: str) -> ApiKey:
        key = await self._repeated(lambda: self._table.by_id(account_id, key_id))
        if key is None or key.status == DELETED:
            raise KeyNotFound(key_id)
        return key

    async def _old_secrets(self, key: ApiKey) -> Sequence[ApiKey]:
        found = [await self._repeated(partial(self._table.find, key_hash)) for key_hash in key.retired]
        return [old for old in found if old is not None]

    async def _account(self, account_id: str) -> Account | None:
        return await self._repeated(lambda: self._accounts.account(account_id))

    async def _epoch(self, account_id: str) -> int:
        account = await self._account(account_id)
        if account is None:
            raise AccountRefusedKey(account_id)
        return account.key_epoch

    async def _require_no_old_budget(self, key: ApiKey) -> None:
        """A call that was set aside from an earlier budget would give its rest back to the new one.

        No such call can begin between this read and the change: without a budget nothing is set aside from one.
        """
        account = await self._account(key.account_id)
        if account and any(hold.capped and hold.key_id == key.key_id for hold in account.holds.values()):
            message = "Calls that count towards this key's earlier budget are still running. Try again when they end."
            raise RequestInvalid(message, param="budget")

    async def _budget_refusal(self, before: ApiKey, after: ApiKey) -> Exception:
        if before.budget_nano is None or after.budget_nano is None:
            return _no_slot()
        account = await self._account(before.account_id)
        left = account.key_caps.get(before.key_id) if account else None
        if left is None:
            return StoreThrottled("the key's budget changed meanwhile")
        used = nano_to_usd(before.budget_nano - left)
        return RequestInvalid(f"This key has already used or set aside {used} USD of its budget.", param="budget")

    async def _require_room(self, account_id: str) -> None:
        """Two requests at once can exceed it by one: it bounds the list, not money."""
        shown = [key for key in await self._table.list(account_id) if self._is_shown(key, with_sessions=False)]
        if len([key for key in shown if not key.replaced_by]) >= KEYS_MAX:
            raise RequestInvalid(f"An account can have up to {KEYS_MAX} keys; delete one first.")

    async def _make_room_for_session(self, account_id: str, now_s: int) -> None:
        """Remove playground keys that have ended, without a trace, and end the oldest ones above the limit."""
        sessions = [key for key in await self._table.list(account_id) if key.kind == SESSION]
        for key in [key for key in sessions if (key.expires_s or 0) <= now_s][:REMOVED_MAX]:
            await self._repeated(partial(self._table.remove, key))
        live = sorted((key for key in sessions if key.is_usable(now_s)), key=lambda key: key.created_s)
        for key in live[: max(0, len(live) - SESSION_KEYS_MAX + 1)]:
            with suppress(KeyNotFound):
                await self._delete_key(account_id, key.key_id)

    def _is_shown(self, key: ApiKey, *, with_sessions: bool) -> bool:
        if key.status == DELETED:
            return False
        if key.kind == API:
            return not (key.replaced_by and key.is_over(self._clock.now()))
        return with_sessions and key.is_usable(self._clock.now())

    async def _caps(self, account_id: str) -> Mapping[str, int]:
        with readable("Your budgets"):
            account = await self._accounts.account(account_id)
        return account.key_caps if account else {}

    def _view(self, key: ApiKey, caps: Mapping[str, int], uses: LastUses) -> KeyView:
        return KeyView.of(key, caps, uses, self._clock.now())

    async def _repeated(self, operation: Callable[[], Awaitable[T]]) -> T:
        return await self._retry(operation, ATTEMPTS_MAX)


@asynccontextmanager
async def _changing() -> AsyncIterator[None]:
    """Translate what can go wrong during a change into answers."""
    try:
        yield
    except KeyNotFound as exc:
        raise _not_found() from exc
    except (StoreError, AccountRefusedKey) as exc:
        raise LedgerUnavailable(
            "It is not certain whether your keys were changed; look at the list before you try again.", retry_after_s=1
        ) from exc


async def _until_unchanged(change: Callable[[], Awaitable[T]]) -> T:
    """Repeat the whole of read, decide and write until no other writer has changed the key in between."""
    for _ in range(ROUNDS_MAX):
        with suppress(KeyChanged):
            return await change()
    raise StoreThrottled("the key changed too often")


def _parts(public_id: str) -> tuple[str, str]:
    """The key's id, and the digits of a replaced secret, empty for the key itself."""
    found = _ID.fullmatch(public_id)
    if found is None:
        raise _not_found()
    return found[1], found[2] or ""


def _not_found() -> ApiKeyNotFound:
    return ApiKeyNotFound("There is no such API key.", param="id")


def _no_slot() -> RequestInvalid:
    return RequestInvalid(
        f"An account can have up to {CAPPED_KEYS_MAX} keys with a budget; delete one first.", param="budget"
    )
