"""Who is signed in, and how an account follows from an identity: without a table in between."""

import hashlib
from dataclasses import dataclass

from . import base62

ADMIN_GROUP = "admin"
ACCOUNT_PREFIX = "acct_"
_ACCOUNT_CHARS = 24


@dataclass(frozen=True, slots=True)
class Session:
    """The owner of a verified ID token; `user_id` is the identity provider's own id of the person."""

    account_id: str
    email: str
    name: str
    is_admin: bool
    user_id: str


def account_id_of(user_id: str) -> str:
    """The same person has the same account for ever; 24 characters hold 142 bits of the hash."""
    digest = int.from_bytes(hashlib.sha256(user_id.encode()).digest())
    return ACCOUNT_PREFIX + base62.encode(digest % 62**_ACCOUNT_CHARS, _ACCOUNT_CHARS)
