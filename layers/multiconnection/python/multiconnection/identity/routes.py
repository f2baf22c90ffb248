"""/api/auth/*: sign up, in and out, passwords and second factors; the browser sees cookies, never tokens."""

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from multiconnection.bootstrap.console_dependencies import ConsoleDep
from multiconnection.bootstrap.gateway import Container
from multiconnection.errors import ParameterMissing
from multiconnection.web.context import ContextDep

from . import schemas as bodies
from .browser import AccessDep, SessionDep, clear_session, csrf, presented, set_session, small_body_of
from .challenges import PendingChallenge
from .models import Session
from .sign_in import SignedIn

router = APIRouter(prefix="/api/auth", dependencies=[Depends(csrf)])


@router.post("/sign-up", status_code=202)
async def sign_up(request: Request, services: ConsoleDep, context: ContextDep) -> dict[str, str]:
    """The same answer whether or not the address is known."""
    body = await small_body_of(request, bodies.SignUpBody)
    await services.identity.sign_up.sign_up(body.email, body.password, body.name, context.ip)
    return {"status": "confirmation_required"}


@router.post("/confirm")
async def confirm(request: Request, services: ConsoleDep, context: ContextDep) -> dict[str, str]:
    """Sets the password; the one of the sign-up was only judged."""
    body = await small_body_of(request, bodies.ConfirmBody)
    await services.identity.sign_up.confirm(body.email, body.code, body.password, context.ip)
    return {"status": "confirmed"}


@router.post("/resend", status_code=202)
async def resend(request: Request, services: ConsoleDep, context: ContextDep) -> dict[str, str]:
    """The same answer whether or not the address is known."""
    body = await small_body_of(request, bodies.EmailBody)
    await services.identity.sign_up.resend(body.email, context.ip)
    return {"status": "sent"}


@router.post("/sign-in")
async def sign_in(request: Request, services: ConsoleDep, context: ContextDep) -> dict[str, Any]:
    body = await small_body_of(request, bodies.SignInBody)
    outcome = await services.identity.sign_in.with_password(body.email, body.password, context.ip)
    return _answered(request, services, outcome)


@router.post("/totp")
async def answer_totp(request: Request, services: ConsoleDep, context: ContextDep) -> dict[str, Any]:
    body = await small_body_of(request, bodies.TotpAnswerBody)
    outcome = await services.identity.sign_in.with_totp(body.session, body.code, context.ip)
    return _answered(request, services, outcome)


@router.post("/new-password")
async def answer_new_password(request: Request, services: ConsoleDep, context: ContextDep) -> dict[str, Any]:
    """For people who were invited: their first password is for one sign-in."""
    body = await small_body_of(request, bodies.NewPasswordBody)
    outcome = await services.identity.sign_in.with_new_password(body.session, body.password, context.ip)
    return _answered(request, services, outcome)


@router.post("/sign-out", status_code=204)
async def sign_out(request: Request, services: ConsoleDep) -> Response:
    """Needs no session: whatever the cookies hold ends here."""
    await services.identity.sign_in.out(presented(request))
    clear_session(request)
    return Response(status_code=204)


@router.post("/sign-out-everywhere", status_code=204)
async def sign_out_everywhere(request: Request, services: ConsoleDep, session: SessionDep) -> Response:
    await services.identity.sign_in.out_everywhere(session)
    clear_session(request)
    return Response(status_code=204)


@router.post("/forgot", status_code=202)
async def forgot(request: Request, services: ConsoleDep, context: ContextDep) -> dict[str, str]:
    """The same answer whether or not the address is known."""
    body = await small_body_of(request, bodies.EmailBody)
    await services.identity.passwords.forgot(body.email, context.ip)
    return {"status": "sent"}


@router.post("/reset")
async def reset(request: Request, services: ConsoleDep, context: ContextDep) -> dict[str, str]:
    """Ends every session of the person."""
    body = await small_body_of(request, bodies.ResetBody)
    await services.identity.passwords.reset(body.email, body.code, body.password, context.ip)
    clear_session(request)
    return {"status": "reset"}


@router.post("/change-password", status_code=204)
async def change_password(request: Request, services: ConsoleDep, context: ContextDep, access: AccessDep) -> Response:
    """Ends every other session; with a second factor this one too."""
    body = await small_body_of(request, bodies.ChangePasswordBody)
    renewed = await services.identity.passwords.change(access, body.current, body.new, context.ip)
    if renewed is None:
        clear_session(request)
    else:
        set_session(request, renewed, services.clock.now())
    return Response(status_code=204)


@router.post("/totp/setup")
async def set_up_totp(services: ConsoleDep, access: AccessDep) -> dict[str, str]:
    found = await services.identity.totp.setup(access)
    return {"secret": found.secret, "otpauth_url": found.otpauth_url}


@router.post("/totp/enable", status_code=204)
async def enable_totp(request: Request, services: ConsoleDep, context: ContextDep, access: AccessDep) -> Response:
    body = await small_body_of(request, bodies.CodeBody)
    await services.identity.totp.enable(access, body.code, context.ip)
    return Response(status_code=204)


@router.post("/totp/disable", status_code=204)
async def disable_totp(request: Request, services: ConsoleDep, context: ContextDep, access: AccessDep) -> Response:
    body = await small_body_of(request, bodies.TotpDisableBody)
    if body.code is not None:
        await services.identity.totp.disable_by_code(access, body.code, context.ip)
    elif body.password is not None:
        await services.identity.totp.disable_by_password(access, body.password, context.ip)
    else:
        raise ParameterMissing("Send the password, or a code of the authenticator app.", param="password")
    return Response(status_code=204)


@router.get("/session")
async def current_session(services: ConsoleDep, session: SessionDep, context: ContextDep) -> dict[str, Any]:
    account = await services.identity.profile.account(session, context.ip)
    totp_enabled = await services.identity.totp.is_enabled(session)
    return {"user": user_object(session, totp_enabled=totp_enabled, created_s=account.created_s)}


def user_object(session: Session, *, totp_enabled: bool, created_s: int) -> dict[str, Any]:
    return {
        "email": session.email,
        "name": session.name,
        "account_id": session.account_id,
        "is_admin": session.is_admin,
        "totp_enabled": totp_enabled,
        "created": created_s,
    }


def _answered(request: Request, services: Container, outcome: SignedIn | PendingChallenge) -> dict[str, Any]:
    if isinstance(outcome, PendingChallenge):
        return {"status": f"{outcome.kind}_required", "session": outcome.token}
    set_session(request, outcome.renewed, services.clock.now())
    found = user_object(outcome.session, totp_enabled=outcome.totp_enabled, created_s=outcome.account.created_s)
    return {"user": found}
