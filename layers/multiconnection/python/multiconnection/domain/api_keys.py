"""API keys: `sk-live-` + 33 random base-62 digits (196 bits) + CRC-32 of what stands before it.

The checksum refuses typing errors and scanners before any I/O. A key is stored only as its SHA-256.
"""

import hashlib
import zlib
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from . import base62
from .ids import random_text
from .ports import Rng

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
    return base62.is_base62(body[len(PREFIX) :]) and checksum == _checksum(body)


def hash_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def ip_in_ranges(ip: str, ranges: tuple[str, ...]) -> bool:
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    return any(address in ip_network(range_, strict=False) for range_ in ranges)


def _checksum(body: str) -> str:
    return base62.encode(zlib.crc32(body.encode("utf-8")), CHECKSUM_CHARS)
