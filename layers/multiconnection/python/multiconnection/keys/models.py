"""API keys: `sk-live-` + 33 random base-62 digits (196 bits) + CRC-32 of what stands before it.

The checksum refuses typing errors and scanners before any I/O. A key is stored only as its SHA-256.
"""

import hashlib
import zlib
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Protocol

from multiconnection import ids
from multiconnection.errors import ApiKeyInvalid, ApiKeyRequired
from multiconnection.ids import random_text
from multiconnection.limits.limiter import KeyRates
from multiconnection.ports import Rng

PREFIX = "sk-live-"
RANDOM_CHARS = 33
CHECKSUM_CHARS = 6
# "session" keys are made for a page of the console and live for minutes.
API, SESSION = "api", "session"
# Of the SHA-256 of 196 random bits: tells an account's secrets apart and nothing about them.
HASH_DIGITS = 8
KEY_CHARS = len(PREFIX) + RANDOM_CHARS + CHECKSUM_CHARS


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key's stored record. `epoch` is the account's key epoch when the record was last read.

    A rotated key is one `key_id` with several secrets, each in a record of its own: so they share limits and budget.
    `replaced_by` is the hash of a secret's successor, empty for the newest one; `retired` are the hashes of its
    predecessors that may still be accepted. `retires_s` is when its rotation ends a replaced secret; `expires_s` is
    never later, and earlier where the key itself ends before. `revision` counts the changes of the record.
    """

    key_hash: str
    key_id: str
    account_id: str
    name: str
    status: str
    last4: str
    created_s: int
    epoch: int
    expires_s: int | None = None
    models: tuple[str, ...] = ()
    ip_ranges: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    budget_nano: int | None = None
    kind: str = API
    replaced_by: str = ""
    retired: tuple[str, ...] = ()
    retires_s: int | None = None
    revision: int = 0

    @property
    def public_id(self) -> str:
        """The key's id; of a secret that was replaced, with the first digits of its hash behind it."""
        return f"{self.key_id}.{self.digits}" if self.replaced_by else self.key_id

    @property
    def digits(self) -> str:
        """What tells this secret from the others of its key, in ids and in usage rows."""
        return self.key_hash[:HASH_DIGITS]

    @property
    def rates(self) -> KeyRates:
        return KeyRates(self.account_id, self.key_id, self.requests_per_minute, self.tokens_per_minute)

    def is_usable(self, now_s: float) -> bool:
        return self.status == "active" and (self.expires_s is None or now_s < self.expires_s)

    def is_over(self, now_s: float) -> bool:
        """Whether a replaced secret is never accepted again, even if its key is enabled or extended."""
        end_s = self.expires_s if self.retires_s is None else self.retires_s
        return self.status == "deleted" or (end_s is not None and now_s >= end_s)

    def allows_model(self, model: str) -> bool:
        return not self.models or model in self.models

    def allows_ip(self, ip: str) -> bool:
        """Whether the caller's address is inside one of the key's ranges; no ranges allow all."""
        return not self.ip_ranges or ip_in_ranges(ip, self.ip_ranges)


def new_secret(rng: Rng) -> str:
    body = PREFIX + random_text(rng, RANDOM_CHARS)
    return body + _checksum(body)


def is_well_formed(secret: str) -> bool:
    """Length, alphabet and checksum; False needs no look-up to answer 401."""
    if len(secret) != KEY_CHARS or not secret.startswith(PREFIX):
        return False
    body, checksum = secret[:-CHECKSUM_CHARS], secret[-CHECKSUM_CHARS:]
    return ids.is_base62(body[len(PREFIX) :]) and checksum == _checksum(body)


def hash_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def ip_in_ranges(ip: str, ranges: tuple[str, ...]) -> bool:
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    return any(address in ip_network(range_, strict=False) for range_ in ranges)


def _checksum(body: str) -> str:
    return ids.encode(zlib.crc32(body.encode("utf-8")), CHECKSUM_CHARS)


# The key a request presents, and how it may be shown back.

_KEY_MISSING = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY)."
)
# Shorter texts would give away too much of themselves by four characters.
_MASKED_CHARS_MIN = 16


def presented_secret(authorization: str | None, x_api_key: str | None) -> str:
    """`Authorization: Bearer …` (any case, any spaces), else `x-api-key`; raises ApiKeyRequired."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    secret = bearer or (x_api_key or "").strip()
    if not secret:
        raise ApiKeyRequired(_KEY_MISSING)
    return secret


def masked(secret: str) -> str:
    """At most our own prefix and the last four characters."""
    last4 = secret[-4:]
    if len(secret) < _MASKED_CHARS_MIN or not (last4.isascii() and last4.isprintable()):
        return "****"
    return f"{PREFIX if secret.startswith(PREFIX) else ''}***{last4}"


def invalid_key(secret: str) -> ApiKeyInvalid:
    """The one answer to unknown, malformed, disabled, deleted and expired keys."""
    return ApiKeyInvalid(f"Incorrect API key provided: {masked(secret)}.")


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of a valid key; `epoch` is what the reserve compares with the account's key epoch."""

    account_id: str
    api_key: ApiKey
    epoch: int


ACTIVE = "active"
DISABLED = "disabled"
DELETED = "deleted"


class KeyStore(Protocol):
    async def create(self, key: ApiKey) -> None:
        """May be repeated with the same key. Raises AccountRefusedKey or StoreError."""

    async def by_id(self, account_id: str, key_id: str) -> ApiKey | None:
        """Strongly consistent once the key is a second old; of a rotated key its newest secret; raises StoreError."""

    async def list(self, account_id: str) -> "list[ApiKey]":
        """Deleted keys too; eventually consistent; raises StoreError."""

    async def delete(self, key: ApiKey) -> None:
        """For good, and raise the account's key epoch. May be repeated. Raises KeyChanged or StoreError."""


class KeyRecords(KeyStore, Protocol):
    async def find(self, key_hash: str) -> ApiKey | None:
        """Strongly consistent; raises StoreError."""
