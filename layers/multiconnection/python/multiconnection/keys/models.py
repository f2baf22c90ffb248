"""API keys: `sk-live-` + 33 random base-62 digits (196 bits) + CRC-32 of everything before it.

The checksum refuses typing errors and scanners before any I/O. A key is stored only as its SHA-256.
"""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from multiconnection import ids
from multiconnection.errors import ApiKeyInvalid, ApiKeyRequired
from multiconnection.ids import random_text
from multiconnection.limits.limiter import KeyRates
from multiconnection.ports import Rng

PREFIX = "sk-live-"
RANDOM_CHARS = 33
CHECKSUM_CHARS = 6
KEY_CHARS = len(PREFIX) + RANDOM_CHARS + CHECKSUM_CHARS
# "session" keys are made for the console's playground and live for minutes.
API, SESSION = "api", "session"
ACTIVE, DISABLED, DELETED = "active", "disabled", "deleted"
# Of the SHA-256 of 196 random bits: distinguishes the secrets of an account and reveals nothing about them.
HASH_DIGITS = 8
# Keys with a budget that one account can have: each is an attribute of the account's item.
CAPPED_KEYS_MAX = 64
_KEY_MISSING = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY)."
)
# Four characters would give away too much of a shorter text.
_MASKED_CHARS_MIN = 16


class KeyNotFound(Exception):
    """The account has no such key, or the key has been deleted."""


class KeyChanged(Exception):
    """The stored key is not as it was read; read it again."""


class AccountRefusedKey(Exception):
    """There is no such account, it has CAPPED_KEYS_MAX keys with a budget, or the new budget is less than is used."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key's stored record. `epoch` is the account's key epoch when the record was last read.

    A rotated key is one `key_id` with several secrets, each in a record of its own, so that they share limits and
    budget. `replaced_by` is the hash of a secret's successor, empty for the newest one; `retired` are the hashes of its
    predecessors that may still be accepted. `retires_s` is when its rotation ends a replaced secret; `expires_s` is
    never later, and earlier if the key itself ends before. `revision` counts the changes of the record.
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
        """The key's id, followed by the first digits of the hash for a secret that was replaced."""
        return f"{self.key_id}.{self.digits}" if self.replaced_by else self.key_id

    @property
    def digits(self) -> str:
        """Distinguishes this secret from the others of its key, in ids and in usage rows."""
        return self.key_hash[:HASH_DIGITS]

    @property
    def rates(self) -> KeyRates:
        return KeyRates(self.account_id, self.key_id, self.requests_per_minute, self.tokens_per_minute)

    def is_usable(self, now_s: float) -> bool:
        return self.status == ACTIVE and (self.expires_s is None or now_s < self.expires_s)

    def is_over(self, now_s: float) -> bool:
        """True if a replaced secret is never accepted again, even if its key is enabled or extended."""
        end_s = self.expires_s if self.retires_s is None else self.retires_s
        return self.status == DELETED or (end_s is not None and now_s >= end_s)

    def allows_model(self, model: str) -> bool:
        return not self.models or model in self.models

    def allows_ip(self, ip: str) -> bool:
        """True if the caller's address is inside one of the key's ranges; no ranges allow all."""
        return not self.ip_ranges or ip_in_ranges(ip, self.ip_ranges)

    def rotated(
        self, secret: str, epoch: int, now_s: int, overlap_s: int, live: Sequence[str]
    ) -> "tuple[ApiKey, ApiKey]":
        """The record of the key's new secret, and the record that this one becomes.

        `live` are the hashes of secrets replaced before that may still be accepted.
        """
        key_hash, end_s = hash_secret(secret), now_s + overlap_s
        new = replace(
            self,
            key_hash=key_hash,
            last4=secret[-4:],
            created_s=now_s,
            epoch=epoch,
            retired=(self.key_hash, *live),
            revision=0,
        )
        expires_s = _earlier(self.expires_s, end_s)
        return new, replace(self, replaced_by=key_hash, retired=(), retires_s=end_s, expires_s=expires_s)

    def following(self, key: "ApiKey") -> "ApiKey":
        """A replaced secret with its key's settings and status, and an end of its own; a deleted one stays deleted."""
        # Records from before `retires_s` have their own end in `expires_s` alone.
        own_end_s = self.expires_s if self.retires_s is None else self.retires_s
        return replace(
            self,
            name=key.name,
            models=key.models,
            ip_ranges=key.ip_ranges,
            requests_per_minute=key.requests_per_minute,
            tokens_per_minute=key.tokens_per_minute,
            budget_nano=key.budget_nano,
            expires_s=_earlier(key.expires_s, own_end_s),
            status=self.status if self.status == DELETED else key.status,
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of a valid key; `epoch` is what the reserve compares with the account's key epoch."""

    account_id: str
    api_key: ApiKey
    epoch: int


@dataclass(frozen=True, slots=True)
class LastUses:
    """The time of each secret's last use, by key id and `ApiKey.digits`, according to the account's newest calls.

    `since_s` is the time of the oldest call that was read, 0 if those were all.
    """

    times: Mapping[tuple[str, str], int]
    since_s: int

    def of(self, key: ApiKey) -> int | None:
        """A call whose secret is not known counts for every secret that existed then: none looks idle by mistake."""
        known_s, unknown_s = self.times.get((key.key_id, key.digits)), self.times.get((key.key_id, ""))
        if unknown_s is None or unknown_s < key.created_s:
            return known_s
        return unknown_s if known_s is None else max(known_s, unknown_s)


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key, or one of its replaced secrets, as its owner sees it; `budget_left_nano` is None without a budget.

    Without a known call `last_used_s` is None, and there has been none since `unused_since_s`.
    """

    key: ApiKey
    status: str
    budget_left_nano: int | None
    last_used_s: int | None
    unused_since_s: int | None

    @classmethod
    def of(cls, key: ApiKey, caps: Mapping[str, int], uses: LastUses, now_s: float) -> "KeyView":
        """`caps` is what is left of the budgets of an account's keys, by key id."""
        expired = key.expires_s is not None and key.expires_s <= now_s
        last_s = uses.of(key)
        return cls(
            key=key,
            status="expired" if expired else key.status,
            budget_left_nano=None if key.budget_nano is None else caps.get(key.key_id, 0),
            last_used_s=last_s,
            unused_since_s=max(key.created_s, uses.since_s) if last_s is None else None,
        )


@dataclass(frozen=True, slots=True)
class RotatedKey:
    """A key with its new secret, and the secret that was replaced."""

    new: KeyView
    old: KeyView
    secret: str


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
    """The same answer to unknown, malformed, disabled, deleted and expired keys."""
    return ApiKeyInvalid(f"Incorrect API key provided: {masked(secret)}.")


def _checksum(body: str) -> str:
    return ids.encode(zlib.crc32(body.encode("utf-8")), CHECKSUM_CHARS)


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((end for end in (one, other) if end is not None), default=None)
