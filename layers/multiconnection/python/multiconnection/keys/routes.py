"""/api/keys: the signed-in user's keys."""

from typing import Annotated

from fastapi import APIRouter, Request, Response

from multiconnection.identity.browser import ActiveUserDep, UserDep, body_of
from multiconnection.web.context import service
from multiconnection.web.openapi import Page, refuses, takes

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
from .service import KeyService

KeysDep = Annotated[KeyService, service("keys")]
router = APIRouter(prefix="/api/keys", tags=["Keys"])


@router.get("", summary="List your API keys")
async def list_keys(keys: KeysDep, user: UserDep, session: bool = False) -> Page[KeyAnswer]:
    """Your keys, newest first; those of the playground only with `session=true`."""
    found = await keys.views(user.account_id, with_sessions=session)
    return Page(data=[KeyAnswer.of(view) for view in found])


@router.post("", status_code=201, summary="Create an API key", responses=refuses(409), openapi_extra=takes(KeyBody))
async def create_key(request: Request, keys: KeysDep, user: ActiveUserDep) -> NewKeyAnswer:
    """The secret is shown once, in this answer."""
    view, secret = await keys.create(user.account_id, await body_of(request, KeyBody))
    return NewKeyAnswer.of(view, secret=secret)


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
    return KeyAnswer.of(view)


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
    rotated = await keys.rotate(user.account_id, key_id, body.overlap_s)
    new = NewKeyAnswer.of(rotated.new, secret=rotated.secret)
    return RotatedKeyAnswer(new=new, old=KeyAnswer.of(rotated.old))
