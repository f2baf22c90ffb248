"""Accepted ID tokens: of our pool, for our client, in time, signed by a published RSA key."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from multiconnection.errors import IdentityUnavailable
from multiconnection.identity.id_tokens import KEYS_AGE_MAX_S, LEEWAY_S, REFETCH_PAUSE_S, IdTokens, keys_of
from multiconnection.identity.models import TokenExpired, TokenRefused
from tests.support.fake_cognito import CLIENT_ID, ID_LIFE_S, ISSUER, FakeCognito, Person, rsa_key
from tests.support.limit_world import HandClock

Claims = dict[str, Any]


class World:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.cognito = FakeCognito(self.clock)
        self.person: Person = self.cognito.add("ada@example.com", "correct horse 1", name="Ada")
        self.verifier = IdTokens(self.cognito.fetch, ISSUER, CLIENT_ID, self.clock)

    def token(self, key: Any = None, algorithm: str = "RS256", kid: str | None = "key-0", **claims: Any) -> str:
        whole = self.cognito.claims(self.person) | claims
        kept = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(kept, key or rsa_key(0), algorithm=algorithm, headers={"kid": kid} if kid else {})


def unsigned(token: str, **header: Any) -> str:
    """The same claims under another header, without a signature."""
    head = base64.urlsafe_b64encode(json.dumps({"typ": "JWT", **header}).encode()).decode().rstrip("=")
    return f"{head}.{token.split('.')[1]}."


async def test_a_token_of_the_pool_identifies_its_user() -> None:
    world = World()
    assert await world.verifier.verify(world.token()) == await world.verifier.verify(world.token(nonce="x"))
    found = await world.verifier.verify(world.cognito.id_token(world.person))
    assert (found.user_id, found.email, found.name) == (world.person.user_id, "ada@example.com", "Ada")
    assert (found.is_admin, found.expires_s) == (False, world.clock.at + ID_LIFE_S)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada\u202eecalevoL", "AdaecalevoL"),
        ("Ada\x00\x1b[31m", "Ada[31m"),
        (" Ada \n Lovelace\u200b ", "Ada Lovelace"),
        ("A" * 3000, "A" * 100),
        (f"{'A' * 99} B", "A" * 99),
        ("\u200f", ""),
        ("エイダ Ł.", "エイダ Ł."),
        (5, "5"),
        (None, ""),
    ],
)
async def test_a_name_is_what_can_be_shown_of_it(name: Any, shown: str) -> None:
    world = World()
    assert (await world.verifier.verify(world.token(name=name))).name == shown


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-client"},
        {"aud": None},
        {"iss": ISSUER + "x"},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"token_use": "access"},
        {"token_use": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 4e9},
        {"iat": None},
        {"iat": 1_800_000_000 + LEEWAY_S + 1},
    ],
    ids=str,
)
async def test_another_claim_is_refused(claims: Claims) -> None:
    world = World()
    with pytest.raises(TokenRefused) as refused:
        await world.verifier.verify(world.token(**claims))
    assert refused.type is TokenRefused


FORGERIES: dict[str, Callable[[World], str]] = {
    "no algorithm": lambda world: unsigned(world.token(), alg="none", kid="key-0"),
    "None in capitals": lambda world: unsigned(world.token(), alg="NONE", kid="key-0"),
    "HS256 with a secret": lambda world: world.token("a secret of thirty-two characters", "HS256"),
    "HS256 with the public key": lambda world: hs256_by_public_key(world),
    "RS512": lambda world: world.token(algorithm="RS512"),
    "another key under our key id": lambda world: world.token(rsa_key(7)),
    "another key under its own id": lambda world: world.token(rsa_key(7), kid="key-7"),
    "no key id": lambda world: world.token(kid=None),
    "another payload": lambda world: swapped_payload(world),
    "a cut signature": lambda world: world.token()[:-2],
    "no signature": lambda world: world.token().rpartition(".")[0] + ".",
    "two parts": lambda world: world.token().rpartition(".")[0],
    "nothing": lambda world: "",
    "a text": lambda world: "not.a.token",
    "much": lambda world: world.token(padding="x" * 9000),
    "no ASCII": lambda world: "\u2603.\u2603.\u2603",
}


def hs256_by_public_key(world: World) -> str:
    """The classic confusion: the public key as the secret of an HMAC. PyJWT would not encode it, so by hand."""
    import hashlib
    import hmac

    public = rsa_key(0).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = unsigned(world.token(), alg="HS256", kid="key-0").rstrip(".")
    mac = hmac.new(public, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def swapped_payload(world: World) -> str:
    head, _, signature = world.token().split(".")
    return f"{head}.{world.token(sub='somebody-else').split('.')[1]}.{signature}"


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forgery_is_refused(forgery: str) -> None:
    world = World()
    with pytest.raises(TokenRefused) as refused:
        await world.verifier.verify(FORGERIES[forgery](world))
    assert refused.type is TokenRefused


@pytest.mark.parametrize(("late_s", "good"), [(LEEWAY_S - 1, True), (LEEWAY_S, False), (10**6, False)])
async def test_a_token_ends_with_a_little_leeway(late_s: int, good: bool) -> None:
    world = World()
    token = world.token()
    world.clock.at += ID_LIFE_S + late_s
    if good:
        await world.verifier.verify(token)
    else:
        with pytest.raises(TokenExpired):
            await world.verifier.verify(token)


@pytest.mark.parametrize("groups", [["admin"], ["users", "admin"]])
async def test_the_admin_group_makes_an_admin(groups: list[str]) -> None:
    world = World()
    world.cognito.extra_claims = {"cognito:groups": groups}
    assert (await world.verifier.verify(world.token())).is_admin


@pytest.mark.parametrize("groups", ["admin", ["Admin"], ["administrators"], [], {"admin": True}, 1])
async def test_nothing_else_does(groups: Any) -> None:
    world = World()
    world.cognito.extra_claims = {"cognito:groups": groups}
    assert not (await world.verifier.verify(world.token())).is_admin


async def test_keys_are_fetched_once_for_concurrent_requests() -> None:
    world = World()
    world.cognito.gate = asyncio.Event()
    waiting = asyncio.gather(*(world.verifier.verify(world.token()) for _ in range(20)))
    await world.cognito.held_up.wait()
    world.cognito.gate.set()
    await waiting
    assert world.cognito.calls["jwks"] == 1


async def test_a_rotated_key_is_fetched() -> None:
    world = World()
    await world.verifier.verify(world.token())
    world.cognito.key_number = 1
    world.clock.at += REFETCH_PAUSE_S
    await world.verifier.verify(world.token(rsa_key(1), kid="key-1"))
    assert world.cognito.calls["jwks"] == 2
    with pytest.raises(TokenRefused):
        await world.verifier.verify(world.token())


async def test_invented_key_ids_do_not_make_us_fetch_all_the_time() -> None:
    world = World()
    for number in range(50):
        with pytest.raises(TokenRefused):
            await world.verifier.verify(world.token(kid=f"invented-{number}"))
    assert world.cognito.calls["jwks"] == 1


async def test_a_withdrawn_key_is_forgotten_within_the_hour() -> None:
    world = World()
    await world.verifier.verify(world.token())
    world.cognito.key_number = 1
    world.clock.at += KEYS_AGE_MAX_S
    with pytest.raises(TokenRefused):
        await world.verifier.verify(world.token())


async def test_known_keys_stay_in_use_while_they_cannot_be_fetched() -> None:
    world = World()
    await world.verifier.verify(world.token())
    world.clock.at += KEYS_AGE_MAX_S
    world.cognito.failure = IdentityUnavailable("down")
    await world.verifier.verify(world.token())
    with pytest.raises(IdentityUnavailable):
        await world.verifier.verify(world.token(kid="key-1"))


def test_what_is_no_rsa_signing_key_is_left_out() -> None:
    secret = {"kty": "oct", "kid": "a", "k": "c2VjcmV0"}
    listed = [secret, {"kty": "RSA", "kid": "b", "n": "!", "e": "AQAB"}, {"kty": "RSA", "use": "enc"}, "text", None]
    assert keys_of({"keys": listed}) == {}
    assert keys_of({"keys": "none"}) == {}
    assert keys_of({}) == {}
