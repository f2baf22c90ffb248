"""People of a running stack: who is there from the start, and who joins without having to sign up first."""

import json
import secrets
from dataclasses import dataclass

from local.aws import client
from local.people import ensure_user
from tests.e2e.support.stack import LocalStack

PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    email: str
    password: str = PASSWORD


def a_stranger(name: str) -> Person:
    """Somebody whom the stack has never heard of; every call gives somebody else."""
    return Person(name, f"{name.lower()}-{secrets.token_hex(4)}@example.org")


def a_user(stack: LocalStack, name: str, *, admin: bool = False) -> Person:
    """Confirmed already; the first sign-in opens the account."""
    person = a_stranger(name)
    known = json.loads((stack.folder / "stack.json").read_text())
    cognito = client("cognito-idp", known["AWS_ENDPOINT_URL"])
    ensure_user(cognito, known["USER_POOL_ID"], person.email, person.password, name=name, admin=admin)
    return person


def demo_user(stack: LocalStack) -> Person:
    return Person("Demo", **stack.run["demo_user"])


def demo_admin(stack: LocalStack) -> Person:
    return Person("Admin", **stack.run["demo_admin"])
