"""/api/keys: the signed-in user's keys."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from multiconnection.identity.browser import ActiveUserDep, UserDep, body_of, list_object
from multiconnection.money import nano_to_usd
from multiconnection.web.context import service

from .models import PREFIX, KeyView
from .schemas import KeyBody, KeyPatch, RotateBody, SessionKeyBody
from .service import KeyService

KeysDep = Annotated[KeyService, service("keys")]

router = APIRouter()


@router.get("/api/keys")
async def list_keys(keys: KeysDep, user: UserDep, session: bool = False) -> dict[str, Any]:
    """All of them, newest first; those of the playground only where `session` asks for them."""
    found = await keys.views(user.account_id, with_sessions=session)
    return list_object([key_object(view) for view in found])


@router.post("/api/keys", status_code=201)
async def create_key(request: Request, keys: KeysDep, user: ActiveUserDep) -> dict[str, Any]:
    """The only answer with the secret."""
    view, secret = await keys.create(user.account_id, await body_of(request, KeyBody))
    return key_object(view) | {"secret": secret}


@router.post("/api/keys/session", status_code=201)
async def create_session_key(request: Request, keys: KeysDep, user: ActiveUserDep) -> dict[str, Any]:
    """For the playground: short-lived, with a budget of its own."""
    await body_of(request, SessionKeyBody)
    key, secret = await keys.session_key(user.account_id)
    return {"secret": secret, "key_id": key.key_id, "expires_at": key.expires_s}


@router.patch("/api/keys/{key_id}")
async def update_key(key_id: str, request: Request, keys: KeysDep, user: ActiveUserDep) -> dict[str, Any]:
    """Only what is sent changes; it takes effect at the next call."""
    body = await body_of(request, KeyPatch)
    return key_object(await keys.change(user.account_id, key_id, body))


@router.delete("/api/keys/{key_id}", status_code=204)
async def delete_key(key_id: str, keys: KeysDep, user: UserDep) -> Response:
    """Final; takes effect at the next call."""
    await keys.delete(user.account_id, key_id)
    return Response(status_code=204)


@router.post("/api/keys/{key_id}/rotate", status_code=201)
async def rotate_key(key_id: str, request: Request, keys: KeysDep, user: ActiveUserDep) -> dict[str, Any]:
    """The same key with a new secret, shown once; the old one is accepted for `overlap_s` more."""
    body = await body_of(request, RotateBody)
    rotated = await keys.rotate(user.account_id, key_id, body.overlap_s)
    return {"new": key_object(rotated.new) | {"secret": rotated.secret}, "old": key_object(rotated.old)}


def key_object(view: KeyView) -> dict[str, Any]:
    key = view.key
    return {
        "id": key.public_id,
        "name": key.name,
        "prefix": f"{PREFIX}…",
        "last4": key.last4,
        "created": key.created_s,
        "last_used": view.last_used_s,
        "unused_since": view.unused_since_s,
        "replaced": bool(key.replaced_by),
        "status": view.status,
        "expires_at": key.expires_s,
        "budget": None if key.budget_nano is None else nano_to_usd(key.budget_nano),
        "budget_left": None if view.budget_left_nano is None else nano_to_usd(view.budget_left_nano),
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
        "models": list(key.models),
        "ips": list(key.ip_ranges),
        "kind": key.kind,
    }
