"""Everybody who tries to come in without being who a route is for, and what they are told."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jwt

from multiconnection.keys.models import new_secret
from tests.audience.answers import Outcome
from tests.audience.declared import UNSAFE, Audience, Route
from tests.audience.scene import Scene, bearer
from tests.support.fake_cognito import rsa_key
from tests.support.limit_world import SeededRng
from tests.support.whole_world import OURS, cookies

BROWSERS: tuple[Audience, ...] = ("session", "admin")
KEY_REQUIRED, KEY_INVALID = (401, "api_key_required"), (401, "invalid_api_key")
SESSION_REQUIRED, SESSION_EXPIRED = (401, "session_required"), (401, "session_expired")
CSRF, NO_ADMIN = (403, "csrf_failed"), (403, "admin_forbidden")
NO_SESSION = {SESSION_REQUIRED, SESSION_EXPIRED}


@dataclass(frozen=True)
class Caller:
    """`told` is one of these outcomes on every route of an audience; `unsafe_only` where GET is let in."""

    name: str
    headers: Callable[[Scene], Mapping[str, str]]
    told: Mapping[Audience, set[Outcome]]
    unsafe_only: bool = False

    def tries(self, route: Route, audience: Audience) -> bool:
        return audience in self.told and (route.method in UNSAFE or not self.unsafe_only)


def _as(id_token: Callable[[Scene], str], *, refresh: str | None = None) -> Callable[[Scene], dict[str, str]]:
    return lambda scene: {**OURS, **cookies(id_token(scene), refresh)}


def _flipped(scene: Scene) -> str:
    """Ada's, with one bit of the signature changed."""
    head, payload, signature = scene.ada.tokens.id_token.split(".")
    return f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def _patched(scene: Scene) -> str:
    """Bob's signature below Ada's name, and the administrators' group."""
    head, _, signature = scene.bob.tokens.id_token.split(".")
    claims = scene.world.cognito.claims(scene.ada.person) | {"cognito:groups": ["admin"]}
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.{signature}"


def _unsigned(scene: Scene) -> str:
    return jwt.encode(scene.world.cognito.claims(scene.root.person), "", algorithm="none", headers=_kid(scene))


def _own_key(scene: Scene) -> str:
    """Signed well, by a key of the attacker's under the pool's name for it."""
    claims = scene.world.cognito.claims(scene.root.person)
    return jwt.encode(claims, rsa_key(99), algorithm="RS256", headers=_kid(scene))


def _claiming(**claims: object) -> Callable[[Scene], str]:
    """The administrator's, signed by the pool, for something else than our sessions."""

    def made(scene: Scene) -> str:
        all_of_them = scene.world.cognito.claims(scene.root.person) | claims
        return jwt.encode(all_of_them, rsa_key(0), algorithm="RS256", headers=_kid(scene))

    return made


def _expired(scene: Scene) -> str:
    return _claiming(exp=int(scene.world.clock.now()) - 31)(scene)


def _kid(scene: Scene) -> dict[str, str]:
    return {"kid": scene.world.cognito.kid}


def _without(who: str, *names: str, **more: str) -> Callable[[Scene], dict[str, str]]:
    """What a browser sends for other pages than ours."""

    def made(scene: Scene) -> dict[str, str]:
        sent = getattr(scene, who).headers | {name.replace("_", "-"): value for name, value in more.items()}
        return {name: value for name, value in sent.items() if name not in names}

    return made


def _all(*outcomes: Outcome) -> dict[Audience, set[Outcome]]:
    return {audience: set(outcomes) for audience in BROWSERS}


_FOR_KEYS: dict[Audience, set[Outcome]] = {"api_key": {KEY_REQUIRED}}
_BAD_KEY: dict[Audience, set[Outcome]] = {"api_key": {KEY_INVALID}, **_all(SESSION_REQUIRED)}
_FORGED = _all(*NO_SESSION) | _FOR_KEYS
_FOREIGN: dict[Audience, set[Outcome]] = {**_all(CSRF), "public": {CSRF}}
EVIL = "https://evil.example"

CALLERS = [
    Caller("nobody", lambda _: OURS, _FOR_KEYS | _all(SESSION_REQUIRED)),
    Caller("an unknown key", lambda _: {**OURS, **bearer(new_secret(SeededRng(99)))}, _BAD_KEY),
    Caller("a malformed key", lambda _: {**OURS, **bearer("sk-live-'; drop table keys")}, _BAD_KEY),
    Caller("a deleted key", lambda scene: {**OURS, **bearer(scene.deleted_key)}, _BAD_KEY),
    Caller("a key for a session", lambda scene: {**OURS, **bearer(scene.key)}, _all(SESSION_REQUIRED)),
    Caller("a key as a cookie", lambda scene: {**OURS, **cookies(scene.key)}, _FORGED),
    Caller("a session for a key", lambda scene: scene.ada.headers, _FOR_KEYS),
    Caller("an administrator for a key", lambda scene: scene.root.headers, _FOR_KEYS),
    Caller("an ID token as a key", lambda scene: bearer(scene.ada.tokens.id_token), {"api_key": {KEY_INVALID}}),
    Caller("an ID token as a bearer", lambda scene: {**OURS, **bearer(scene.root.tokens.id_token)}, _BAD_KEY),
    Caller("a flipped signature", _as(_flipped), _FORGED),
    Caller("a patched payload", _as(_patched), _FORGED),
    Caller("no signature", _as(_unsigned), _FORGED),
    Caller("a signature of their own", _as(_own_key), _FORGED),
    Caller("another pool", _as(_claiming(iss="https://cognito-idp.us-east-1.amazonaws.com/us-east-1_evil")), _FORGED),
    Caller("another client", _as(_claiming(aud="evil-client")), _FORGED),
    Caller("an access token", _as(_claiming(token_use="access")), _FORGED),
    Caller("an opaque cookie", _as(lambda scene: scene.ada.tokens.access_token), _FORGED),
    Caller("an expired token", _as(_expired), _all(SESSION_EXPIRED) | _FOR_KEYS),
    Caller("a revoked session", _as(_expired, refresh="refresh-revoked"), _all(SESSION_EXPIRED) | _FOR_KEYS),
    Caller("the owner, no administrator", lambda scene: scene.ada.headers, {"admin": {NO_ADMIN}}),
    Caller("another user", lambda scene: scene.bob.headers, {"admin": {NO_ADMIN}}),
    Caller("without our header", _without("ada", "x-mc-csrf"), _FOREIGN, unsafe_only=True),
    Caller("a foreign origin", _without("ada", origin=EVIL), _FOREIGN, unsafe_only=True),
    Caller("a form of another site", _without("root", "x-mc-csrf", origin=EVIL), _FOREIGN, unsafe_only=True),
    Caller("a page next door", _without("root", "origin", sec_fetch_site="same-site"), _FOREIGN, unsafe_only=True),
    Caller("an unknown origin", _without("root", "origin", "sec-fetch-site"), _FOREIGN, unsafe_only=True),
]
