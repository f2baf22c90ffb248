"""Sealed tokens that bind the second step of a sign-in to the first.

The browser carries a token from one step to the next. It holds the address, the user, the kind of step and the
provider's own session, encrypted and authenticated with AES-256-GCM. The second step takes only the token and the
answer, so no one can answer in another user's name.
"""

import base64
import binascii
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from multiconnection.ports import Clock

from .models import Challenge, ChallengeKind

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# `AuthSessionValidity` of the app client: the provider's session inside the token ends at the same time.
LIFE_S = 300
_NONCE_BYTES = 12
_PURPOSE = b"multiconnection sign-in challenge 1"


class ChallengeRefused(Exception):
    """A token that is forged, expired, or of another kind; `email` is None for a forged one."""

    def __init__(self, why: str, email: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.email = email


@dataclass(frozen=True, slots=True)
class PendingChallenge:
    """A second step that the user has to take; the browser sends `token` back with the answer."""

    kind: ChallengeKind
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenedChallenge:
    """The contents of a token; `challenge_id` is unique, however the token is encoded."""

    challenge_id: str
    email: str
    user_id: str
    session: str = field(repr=False)


class Challenges:
    """Seals and opens tokens with a key derived from the app client's secret: a new client invalidates them all.

    `client_secret` reads that secret and raises IdentityUnavailable.
    """

    def __init__(self, client_secret: Callable[[], Awaitable[str]], clock: Clock) -> None:
        self._client_secret = client_secret
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
        sealed = _cipher(await self._client_secret()).encrypt(nonce, orjson.dumps(content), _PURPOSE)
        return PendingChallenge(challenge.kind, base64.urlsafe_b64encode(nonce + sealed).decode())

    async def opened(self, kind: ChallengeKind, token: str) -> OpenedChallenge:
        """Raises ChallengeRefused or IdentityUnavailable."""
        from cryptography.exceptions import InvalidTag

        try:
            raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
            nonce, sealed = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
            opened = _cipher(await self._client_secret()).decrypt(nonce, sealed, _PURPOSE)
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
    # Imported with the first token, as in `identity/id_tokens.py`.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode()))
