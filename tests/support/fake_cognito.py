"""A user pool in memory: implements `IdentityProvider` and publishes the keys that really sign its ID tokens."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from multiconnection.identity.models import (
    Challenge,
    ChallengeKind,
    CodeRefused,
    CredentialsRefused,
    EmailTaken,
    NotConfirmed,
    PasswordRefused,
    RequestRefused,
    Tokens,
)
from multiconnection.ports import Clock

from .totp import STEP_S, totp_code

ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_fake"
CLIENT_ID = "fake-client"
CLIENT_SECRET = "the fake client's secret"
ID_LIFE_S = 900
# `AuthSessionValidity` in template.yaml.
SESSION_LIFE_S = 300
PASSWORD_CHARS_MIN = 10


@cache
def rsa_key(number: int) -> RSAPrivateKey:
    """An RSA key per number, cached because generation is slow."""
    return generate_private_key(65537, 2048)


@dataclass
class Person:
    email: str
    password: str
    name: str = ""
    status: str = "UNCONFIRMED"
    user_id: str = field(default_factory=lambda: str(uuid4()))
    groups: list[str] = field(default_factory=list)
    code: str | None = "123456"
    reset_code: str | None = None
    totp_secret: str | None = None
    new_secret: str | None = None
    totp_enabled: bool = False


@dataclass(frozen=True)
class IssuedSession:
    """A challenge that has not been answered."""

    person: Person
    kind: ChallengeKind
    expires_s: float


@dataclass
class FakeCognito:
    """`calls` counts operations; `gate` holds them up until it is set.

    `failure` is raised by every operation, `failures` by those of that name. With `lax` the sessions of challenges are
    not checked, as in MiniStack. If there is an `impostor`, challenges are answered with that user's tokens.
    """

    clock: Clock
    people: dict[str, Person] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    failure: Exception | None = None
    failures: dict[str, Exception] = field(default_factory=dict)
    gate: asyncio.Event | None = None
    held_up: asyncio.Event = field(default_factory=asyncio.Event)
    mails: list[tuple[str, str]] = field(default_factory=list)
    key_number: int = 0
    lax: bool = False
    impostor: Person | None = None
    extra_claims: dict[str, Any] = field(default_factory=dict)
    _refresh: dict[str, Person] = field(default_factory=dict)
    _access: dict[str, Person] = field(default_factory=dict)
    _challenges: dict[str, IssuedSession] = field(default_factory=dict)

    def add(self, email: str, password: str, *, name: str = "", groups: tuple[str, ...] = ()) -> Person:
        """A user who is confirmed already."""
        person = self.people[email] = Person(email, password, name, "CONFIRMED", groups=list(groups), code=None)
        return person

    def invite(self, email: str, password: str, *, groups: tuple[str, ...] = ()) -> Person:
        person = self.add(email, password, groups=groups)
        person.status = "FORCE_CHANGE_PASSWORD"
        return person

    async def sign_up(self, email: str, password: str, name: str) -> None:
        await self._called("sign_up")
        if email in self.people:
            raise EmailTaken
        _check_strength(password)
        self.people[email] = Person(email, password, name)
        self.mails.append((email, "123456"))

    async def confirm_sign_up(self, email: str, code: str) -> None:
        await self._called("confirm_sign_up")
        person = self.people.get(email)
        if person is None:
            raise CodeRefused
        if person.status != "UNCONFIRMED":
            raise CredentialsRefused
        if code != person.code:
            raise CodeRefused
        person.status, person.code = "CONFIRMED", None

    async def set_password(self, email: str, password: str) -> None:
        await self._called("set_password")
        person = self._found(email)
        _check_strength(password)
        person.password = password

    async def resend_code(self, email: str) -> None:
        await self._called("resend_code")
        if (person := self.people.get(email)) and person.status == "UNCONFIRMED":
            self.mails.append((email, "123456"))

    async def sign_in(self, email: str, password: str) -> Tokens | Challenge:
        await self._called("sign_in")
        person = self.people.get(email)
        if person is None:
            raise CredentialsRefused
        if person.status == "UNCONFIRMED":
            raise NotConfirmed
        if person.password != password:
            raise CredentialsRefused
        if person.status == "FORCE_CHANGE_PASSWORD":
            return self._challenge(person, "new_password")
        return self._challenge(person, "totp") if person.totp_enabled else self.issue(person)

    async def answer_totp(self, user_id: str, session: str, code: str) -> Tokens:
        await self._called("answer_totp")
        person = self._challenged("totp", user_id, session)
        if not self._matches(person.totp_secret, code):
            raise CodeRefused
        self._challenges.pop(session, None)
        return self.issue(self.impostor or person)

    async def answer_new_password(self, user_id: str, session: str, password: str) -> Tokens | Challenge:
        await self._called("answer_new_password")
        person = self._challenged("new_password", user_id, session)
        _check_strength(password)
        self._challenges.pop(session, None)
        person.password, person.status = password, "CONFIRMED"
        return self._challenge(person, "totp") if person.totp_enabled else self.issue(self.impostor or person)

    async def client_secret(self) -> str:
        return CLIENT_SECRET

    async def refresh(self, refresh_token: str) -> Tokens:
        await self._called("refresh")
        if refresh_token not in self._refresh:
            raise CredentialsRefused
        tokens = self.issue(self._refresh[refresh_token])
        assert tokens.refresh_token is not None
        del self._refresh[tokens.refresh_token]
        return Tokens(tokens.id_token, tokens.access_token)

    async def revoke(self, refresh_token: str) -> None:
        await self._called("revoke")
        self._refresh.pop(refresh_token, None)

    async def sign_out_everywhere(self, user: str) -> None:
        await self._called("sign_out_everywhere")
        person = self._found(user)
        for tokens in (self._refresh, self._access):
            for token in [token for token, owner in tokens.items() if owner is person]:
                del tokens[token]

    async def forgot(self, email: str) -> None:
        await self._called("forgot")
        person = self.people.get(email)
        if person is not None and person.status != "CONFIRMED":
            raise RequestRefused
        if person is not None:
            person.reset_code = "654321"
            self.mails.append((email, "654321"))

    async def reset(self, email: str, code: str, password: str) -> None:
        await self._called("reset")
        person = self.people.get(email)
        if person is None or code != person.reset_code:
            raise CodeRefused
        _check_strength(password)
        person.password, person.reset_code = password, None

    async def change_password(self, access_token: str, current: str, new: str) -> None:
        await self._called("change_password")
        person = self._by_access(access_token)
        if person.password != current:
            raise CredentialsRefused
        _check_strength(new)
        person.password = new

    async def user_id_of(self, user: str) -> str:
        await self._called("user_id_of")
        return self._found(user).user_id

    async def has_totp(self, user_id: str) -> bool:
        await self._called("has_totp")
        return self._found(user_id).totp_enabled

    async def new_totp_secret(self, access_token: str) -> str:
        await self._called("new_totp_secret")
        person = self._by_access(access_token)
        person.new_secret = base64.b32encode(uuid4().bytes + b"four").decode()
        return person.new_secret

    async def verify_totp(self, access_token: str, code: str) -> None:
        await self._called("verify_totp")
        person = self._by_access(access_token)
        secret = person.new_secret or person.totp_secret
        if not self._matches(secret, code):
            raise CodeRefused
        person.totp_secret, person.new_secret = secret, None

    async def prefer_totp(self, access_token: str, *, enabled: bool) -> None:
        await self._called("prefer_totp")
        self._by_access(access_token).totp_enabled = enabled

    async def rename(self, access_token: str, name: str) -> None:
        await self._called("rename")
        self._by_access(access_token).name = name

    async def fetch(self) -> Mapping[str, Any]:
        """The published key set."""
        await self._called("jwks")
        key = json.loads(RSAAlgorithm.to_jwk(rsa_key(self.key_number).public_key()))
        return {"keys": [key | {"kid": self.kid, "alg": "RS256", "use": "sig"}]}

    @property
    def kid(self) -> str:
        return f"key-{self.key_number}"

    def issue(self, person: Person) -> Tokens:
        tokens = Tokens(self.id_token(person), f"access-{uuid4()}", f"refresh-{uuid4()}")
        assert tokens.refresh_token is not None
        self._access[tokens.access_token] = self._refresh[tokens.refresh_token] = person
        return tokens

    def id_token(self, person: Person) -> str:
        headers = {"kid": self.kid}
        return jwt.encode(self.claims(person), rsa_key(self.key_number), algorithm="RS256", headers=headers)

    def claims(self, person: Person) -> dict[str, Any]:
        now_s = int(self.clock.now())
        claims: dict[str, Any] = {
            "sub": person.user_id,
            "iss": ISSUER,
            "aud": CLIENT_ID,
            "token_use": "id",
            "iat": now_s,
            "exp": now_s + ID_LIFE_S,
            "email": person.email,
            "email_verified": True,
        }
        claims |= {"name": person.name} if person.name else {}
        claims |= {"cognito:groups": person.groups} if person.groups else {}
        return claims | self.extra_claims

    async def _called(self, operation: str) -> None:
        self.calls[operation] += 1
        if self.gate is not None:
            self.held_up.set()
            await self.gate.wait()
        if failure := self.failures.get(operation, self.failure):
            raise failure

    def _found(self, user: str) -> Person:
        for person in self.people.values():
            if user in (person.email, person.user_id):
                return person
        raise CredentialsRefused

    def _by_access(self, access_token: str) -> Person:
        if access_token not in self._access:
            raise CredentialsRefused
        return self._access[access_token]

    def _challenge(self, person: Person, kind: ChallengeKind) -> Challenge:
        session = f"session-{uuid4()}"
        self._challenges[session] = IssuedSession(person, kind, self.clock.now() + SESSION_LIFE_S)
        return Challenge(kind, person.user_id, session)

    def _challenged(self, kind: ChallengeKind, user_id: str, session: str) -> Person:
        if self.lax:
            return self._found(user_id)
        issued = self._challenges.get(session)
        if issued is None or (issued.kind, issued.person.user_id) != (kind, user_id):
            raise CredentialsRefused
        if self.clock.now() >= issued.expires_s:
            raise CredentialsRefused
        return issued.person

    def _matches(self, secret: str | None, code: str) -> bool:
        now_s = self.clock.now()
        return secret is not None and code in {totp_code(secret, now_s + step * STEP_S) for step in (-1, 0, 1)}


def _check_strength(password: str) -> None:
    if len(password) < PASSWORD_CHARS_MIN:
        raise PasswordRefused
