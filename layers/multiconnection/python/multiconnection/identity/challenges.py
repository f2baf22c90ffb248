"""The second step of a sign-in, bound to the first: what the browser carries between them is sealed.

A token holds the address, the person, the kind of step and the provider's own session, encrypted and authenticated with
AES-256-GCM. The second step takes nothing but the token and the answer, so nobody answers for somebody else.
"""

import base64
import binascii
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import orjson

from multiconnection.ports import Clock

from .models import Challenge, ChallengeKind

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# `AuthSessionValidity` of the app client: the provider's session inside ends then, too.
LIFE_S = 300
_NONCE_BYTES = 12
_PURPOSE = b"multiconnection sign-in challenge 1"


class ChallengeRefused(Exception):
    """A token that opens nothing. `email` is whose it was, where it is one of ours."""

    def __init__(self, why: str, email: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.email = email


class ClientSecret(Protocol):
    async def client_secret(self) -> str:
        """A secret that the functions of this deployment share and browsers never see. Raises IdentityUnavailable."""


@dataclass(frozen=True, slots=True)
class PendingChallenge:
    """A second step that is asked for; `token` is what the browser brings back."""

    kind: ChallengeKind
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenedChallenge:
    """What a token stands for; `challenge_id` is its own, however the token is written."""

    challenge_id: str
    email: str
    user_id: str
    session: str = field(repr=False)


class Challenges:
    """Seals and opens tokens. The key is derived from the app client's secret: a new client ends those under way."""

    def __init__(self, secret: ClientSecret, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    async def sealed(self, email: str, challenge: Challenge) -> PendingChallenge:
        """Raises IdentityUnavailable."""
        content = {
            "kind": challenge.kind,
            "email": email.lower(),
            "user_id": challenge.user_id,
            "session": challenge.session,
            "expires_s": self._clock.now() + LIFE_S,
        }
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = _cipher(await self._secret.client_secret()).encrypt(nonce, orjson.dumps(content), _PURPOSE)
        return PendingChallenge(challenge.kind, base64.urlsafe_b64encode(nonce + sealed).decode())

    async def opened(self, kind: ChallengeKind, token: str) -> OpenedChallenge:
        """Raises ChallengeRefused or IdentityUnavailable."""
        from cryptography.exceptions import InvalidTag

        try:
            raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
            nonce, sealed = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
            opened = _cipher(await self._secret.client_secret()).decrypt(nonce, sealed, _PURPOSE)
        except (UnicodeEncodeError, binascii.Error, InvalidTag, ValueError) as exc:
            # GCM raises ValueError for a nonce that is too short.
            raise ChallengeRefused("forged") from exc
        content = orjson.loads(opened)
        if content["kind"] != kind:
            raise ChallengeRefused("other_kind", content["email"])
        if self._clock.now() >= content["expires_s"]:
            raise ChallengeRefused("expired", content["email"])
        return OpenedChallenge(nonce.hex(), content["email"], content["user_id"], content["session"])


def _cipher(secret: str) -> "AESGCM":
    # Loaded with the first token, as in `identity/id_tokens.py`.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode()))
