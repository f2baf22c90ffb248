"""The keys of the signed-in user: made, listed, changed, rotated, ended; and short-lived ones for the playground."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from multiconnection.domain.api_keys import API, HASH_DIGITS, SESSION, ApiKey
from multiconnection.domain.errors import ApiKeyNotFound, LedgerUnavailable, RequestInvalid
from multiconnection.domain.money import NANO_PER_USD
from multiconnection.domain.ports import Clock
from multiconnection.ledger.store import StoreError
from multiconnection.schemas.console import KeyBody, KeyPatch

from .key_changes import KeyChanges, KeyRecords
from .key_wishes import KeyWishes
from .keys import DELETED, AccountNotFound, AccountReader, AccountRefusedKey, KeyNotFound, KeyService
from .usage_history import LastUses, UsageHistory, readable

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
