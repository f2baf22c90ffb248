"""The people of a fresh local stack: the owner of the demo account, and an administrator."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.people import ensure_user
from multiconnection.identity.models import account_id_of

DEMO_EMAIL = "demo@example.com"
ADMIN_EMAIL = "admin@example.com"


@dataclass(frozen=True, slots=True)
class Person:
    email: str
    password: str


@dataclass(frozen=True, slots=True)
class DemoPeople:
    """`account_id` is the user's: what the printed key spends is what the user's console shows."""

    account_id: str
    user: Person
    admin: Person


def ensure_demo_people(cognito: Any, pool_id: str, remembered: Mapping[str, Any]) -> DemoPeople:
    """With the passwords of `remembered` (run.json), or new ones where it has none. May be repeated."""
    user = Person(DEMO_EMAIL, _password(remembered.get("demo_user")))
    admin = Person(ADMIN_EMAIL, _password(remembered.get("demo_admin")))
    user_id = ensure_user(cognito, pool_id, user.email, user.password, name="Demo")
    ensure_user(cognito, pool_id, admin.email, admin.password, name="Admin", admin=True)
    return DemoPeople(account_id_of(user_id), user, admin)


def _password(remembered: object) -> str:
    found = remembered.get("password") if isinstance(remembered, dict) else None
    return found if isinstance(found, str) else secrets.token_hex(8)
