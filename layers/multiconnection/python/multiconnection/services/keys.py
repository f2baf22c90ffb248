"""Create, list and delete API keys; the secret is shown once and stored only as its hash."""

from typing import Protocol

from multiconnection.domain.api_keys import API, ApiKey, hash_secret, new_secret
from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.ids import new_short_id
from multiconnection.domain.ports import Clock, Rng
from multiconnection.ledger.accounts import Account
from multiconnection.ledger.retry import Retry
from multiconnection.ledger.store import StoreThrottled

from . import key_request as ask

CAPPED_KEYS_MAX = 64
# A change of a key meets the account's own traffic, and a transaction yields to every other write.
ATTEMPTS_MAX = 8
ACTIVE = "active"
DISABLED = "disabled"
DELETED = "deleted"


class KeyNotFound(Exception):
    """No such key in this account, or it has been deleted."""


class AccountNotFound(Exception):
    """No such account."""


class AccountRefusedKey(Exception):
    """The account is gone, or has CAPPED_KEYS_MAX keys with a budget."""


class KeyChanged(Exception):
    """The key is not as it was read; read it again."""


class KeyStore(Protocol):
    async def create(self, key: ApiKey) -> None:
        """May be repeated with the same key. Raises AccountRefusedKey or StoreError."""

    async def by_id(self, account_id: str, key_id: str) -> ApiKey | None:
        """Strongly consistent once the key is a second old; of a rotated key its newest secret; raises StoreError."""

    async def list(self, account_id: str) -> "list[ApiKey]":
        """Deleted keys too; eventually consistent; raises StoreError."""

    async def delete(self, key: ApiKey) -> None:
        """For good, and raise the account's key epoch. May be repeated. Raises KeyChanged or StoreError."""


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
