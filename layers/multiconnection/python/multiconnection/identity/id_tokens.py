"""Verification of Cognito's ID tokens: RS256 only, with the keys that the pool publishes.

PyJWT and cryptography are imported with the first token: 180 ms that a function without sessions never pays.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from multiconnection.errors import IdentityUnavailable
from multiconnection.ports import Clock

from .models import ADMIN_GROUP, Claims, TokenExpired, TokenRefused
from .schemas import printable_name

LEEWAY_S = 30
# An unknown key id may follow a rotation or be invented, so it causes a fetch at most this often.
REFETCH_PAUSE_S = 10
# Withdrawn keys are forgotten after this.
KEYS_AGE_MAX_S = 3600
TOKEN_CHARS_MAX = 8192
_REQUIRED = ["exp", "iat", "iss", "aud", "sub", "token_use"]
log = logging.getLogger(__name__)


class IdTokens:
    """Verifies ID tokens; `fetch_keys` reads the published key set and raises IdentityUnavailable."""

    def __init__(
        self, fetch_keys: Callable[[], Awaitable[Mapping[str, Any]]], issuer: str, audience: str, clock: Clock
    ) -> None:
        self._fetch_keys = fetch_keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._keys: dict[str, Any] = {}
        self._fetched_s = float("-inf")
        self._fetching = asyncio.Lock()

    async def verify(self, id_token: str) -> Claims:
        """Raises TokenExpired, TokenRefused or IdentityUnavailable."""
        import jwt

        if len(id_token) > TOKEN_CHARS_MAX:
            raise TokenRefused
        try:
            kid = jwt.get_unverified_header(id_token).get("kid")
            if not isinstance(kid, str):
                raise TokenRefused
            payload = jwt.decode(
                id_token,
                await self._key(kid),
                algorithms=["RS256"],
                audience=self._audience,
                issuer=self._issuer,
                # The times are compared in `_claims`, with our own clock.
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.PyJWTError as exc:
            raise TokenRefused from exc
        return self._claims(payload)

    def _claims(self, payload: Mapping[str, Any]) -> Claims:
        expires_s, issued_s, user_id = payload["exp"], payload["iat"], payload["sub"]
        now_s, use = self._clock.now(), payload["token_use"]
        if use != "id" or not isinstance(user_id, str) or not user_id:
            raise TokenRefused
        if not isinstance(expires_s, int) or not isinstance(issued_s, int) or issued_s > now_s + LEEWAY_S:
            raise TokenRefused
        if expires_s + LEEWAY_S <= now_s:
            raise TokenExpired
        groups = payload.get("cognito:groups")
        return Claims(
            user_id=user_id,
            email=str(payload.get("email", "")),
            # The holder of an access token can set any name at the provider.
            name=printable_name(str(payload.get("name", ""))),
            is_admin=isinstance(groups, list) and ADMIN_GROUP in groups,
            expires_s=expires_s,
        )

    async def _key(self, kid: str) -> Any:
        await self._refreshed(kid)
        if kid not in self._keys:
            raise TokenRefused
        return self._keys[kid]

    async def _refreshed(self, kid: str) -> None:
        """Fetch the keys if they are old or lack this one, one request at a time."""
        if not self._is_due(kid):
            return
        async with self._fetching:
            if not self._is_due(kid):
                return
            try:
                found = keys_of(await self._fetch_keys())
            except IdentityUnavailable:
                if kid not in self._keys:
                    raise
                log.warning("jwks_not_renewed")
                return
            self._keys, self._fetched_s = found, self._clock.now()

    def _is_due(self, kid: str) -> bool:
        age_s = self._clock.now() - self._fetched_s
        return age_s >= (KEYS_AGE_MAX_S if kid in self._keys else REFETCH_PAUSE_S)


def keys_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The public RSA signing keys of a key set, by key id."""
    import jwt

    found: dict[str, Any] = {}
    listed = document.get("keys")
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict) or entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
            continue
        try:
            found[str(entry.get("kid"))] = jwt.PyJWK.from_dict(entry, algorithm="RS256").key
        except jwt.PyJWTError:
            log.warning("jwk_unreadable")
    return found
