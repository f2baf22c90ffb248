"""/api/keys: the signed-in user's keys."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from multiconnection.identity.browser import ActiveUserDep, UserDep, body_of
from multiconnection.money import nano_to_usd
from multiconnection.web.context import service
from multiconnection.web.openapi import Page, refuses, takes

from .models import PREFIX
from .schemas import (
    KeyAnswer,
    KeyBody,
    KeyPatch,
    NewKeyAnswer,
    RotateBody,
    RotatedKeyAnswer,
    SessionKeyAnswer,
    SessionKeyBody,
)
from .service import ConsoleKeys, KeyView

KeysDep = Annotated[ConsoleKeys, service("keys")]
router = APIRouter(prefix="/api/keys", tags=["Keys"])


@router.get("", summary="List your API keys")
async def list_keys(keys: KeysDep, user: UserDep, session: bool = False) -> Page[KeyAnswer]:
    """All of them, newest first; those of the playground only with `session=true`."""
    found = await keys.list(user.account_id, with_sessions=session)
    return Page(data=[KeyAnswer(**_members(view)) for view in found])


@router.post("", status_code=201, summary="Create an API key", responses=refuses(409), openapi_extra=takes(KeyBody))
async def create_key(request: Request, keys: KeysDep, user: ActiveUserDep) -> NewKeyAnswer:
    """The secret is shown once, in this answer."""
    view, secret = await keys.create(user.account_id, await body_of(request, KeyBody))
    return NewKeyAnswer(**_members(view), secret=secret)


@router.post(
    "/session",
    status_code=201,
    summary="Create a key for the playground",
    openapi_extra=takes(SessionKeyBody, required=False),
)
async def create_session_key(request: Request, keys: KeysDep, user: ActiveUserDep) -> SessionKeyAnswer:
    """Short-lived, with a budget of its own."""
    await body_of(request, SessionKeyBody)
    key, secret = await keys.session_key(user.account_id)
    return SessionKeyAnswer(secret=secret, key_id=key.key_id, expires_at=key.expires_s)


@router.patch("/{key_id}", summary="Change an API key", responses=refuses(404, 409), openapi_extra=takes(KeyPatch))
async def update_key(key_id: str, request: Request, keys: KeysDep, user: ActiveUserDep) -> KeyAnswer:
    """Changes the members that are sent, from the next call on."""
    view = await keys.change(user.account_id, key_id, await body_of(request, KeyPatch))
    return KeyAnswer(**_members(view))


@router.delete("/{key_id}", status_code=204, summary="Delete an API key", responses=refuses(404, 409))
async def delete_key(key_id: str, keys: KeysDep, user: UserDep) -> Response:
    """Final, from the next call on."""
    await keys.delete(user.account_id, key_id)
    return Response(status_code=204)


@router.post(
    "/{key_id}/rotate",
    status_code=201,
    summary="Rotate an API key",
    responses=refuses(404, 409),
    openapi_extra=takes(RotateBody),
)
async def rotate_key(key_id: str, request: Request, keys: KeysDep, user: ActiveUserDep) -> RotatedKeyAnswer:
    """A new secret for the same key, shown once; the old one is accepted for `overlap_s` seconds more."""
    body = await body_of(request, RotateBody)
    new, old, secret = await keys.rotate(user.account_id, key_id, body.overlap_s)
    return RotatedKeyAnswer(new=NewKeyAnswer(**_members(new), secret=secret), old=KeyAnswer(**_members(old)))


def _members(view: KeyView) -> dict[str, Any]:
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
