"""/api/auth/*: sign up, in and out, passwords and second factors; browsers get cookies, never tokens."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from multiconnection.errors import ParameterMissing
from multiconnection.ledger.models import Account
from multiconnection.web.context import ContextDep, service
from multiconnection.web.openapi import refuses, takes

from . import schemas as bodies
from .browser import AccessDep, SessionDep, clear_session, csrf, presented, set_session, small_body_of
from .challenges import PendingChallenge
from .models import Session
from .sign_in import Passwords, SignedIn, SignIn, SignUp, Totp

PasswordsDep = Annotated[Passwords, service("passwords")]
EnsureAccountDep = Annotated[Callable[[Session, str], Awaitable[Account]], service("ensure_account")]
SignInDep = Annotated[SignIn, service("sign_in")]
SignUpDep = Annotated[SignUp, service("sign_up")]
TotpDep = Annotated[Totp, service("totp")]

router = APIRouter(prefix="/api/auth", tags=["Sign-in"], dependencies=[Depends(csrf)])


@router.post("/sign-up", status_code=202, summary="Create an account", openapi_extra=takes(bodies.SignUpBody))
async def sign_up(request: Request, sign_up: SignUpDep, context: ContextDep) -> bodies.StatusAnswer:
    """The same answer whether or not the address is known."""
    body = await small_body_of(request, bodies.SignUpBody)
    await sign_up.sign_up(body.email, body.password, body.name, context.ip)
    return bodies.StatusAnswer(status="confirmation_required")


@router.post(
    "/confirm",
    summary="Confirm an e-mail address, and set the password",
    responses=refuses(429),
    openapi_extra=takes(bodies.ConfirmBody),
)
async def confirm(request: Request, sign_up: SignUpDep, context: ContextDep) -> bodies.StatusAnswer:
    """Sets the password; the one of the sign-up was only checked."""
    body = await small_body_of(request, bodies.ConfirmBody)
    await sign_up.confirm(body.email, body.code, body.password, context.ip)
    return bodies.StatusAnswer(status="confirmed")


@router.post(
    "/resend",
    status_code=202,
    summary="Send the confirmation code again",
    responses=refuses(429),
    openapi_extra=takes(bodies.EmailBody),
)
async def resend(request: Request, sign_up: SignUpDep, context: ContextDep) -> bodies.StatusAnswer:
    """The same answer whether or not the address is known."""
    body = await small_body_of(request, bodies.EmailBody)
    await sign_up.resend(body.email, context.ip)
    return bodies.StatusAnswer(status="sent")


@router.post(
    "/sign-in",
    summary="Start a session",
    responses=refuses(401, 429),
    openapi_extra=takes(bodies.SignInBody),
    response_model_exclude_unset=True,
)
async def sign_in(request: Request, sign_in: SignInDep, context: ContextDep) -> bodies.SignInAnswer:
    body = await small_body_of(request, bodies.SignInBody)
    outcome = await sign_in.with_password(body.email, body.password, context.ip)
    return _answered(request, outcome)


@router.post(
    "/totp",
    summary="Finish a sign-in with a one-time code",
    responses=refuses(401, 429),
    openapi_extra=takes(bodies.TotpAnswerBody),
    response_model_exclude_unset=True,
)
async def answer_totp(request: Request, sign_in: SignInDep, context: ContextDep) -> bodies.SignInAnswer:
    body = await small_body_of(request, bodies.TotpAnswerBody)
    outcome = await sign_in.with_totp(body.session, body.code, context.ip)
    return _answered(request, outcome)


@router.post(
    "/new-password",
    summary="Finish a first sign-in with your own password",
    responses=refuses(401, 429),
    openapi_extra=takes(bodies.NewPasswordBody),
    response_model_exclude_unset=True,
)
async def answer_new_password(request: Request, sign_in: SignInDep, context: ContextDep) -> bodies.SignInAnswer:
    """Replaces the first password of an invited user, which serves for one sign-in."""
    body = await small_body_of(request, bodies.NewPasswordBody)
    outcome = await sign_in.with_new_password(body.session, body.password, context.ip)
    return _answered(request, outcome)


@router.post("/sign-out", status_code=204, summary="End this session")
async def sign_out(request: Request, sign_in: SignInDep) -> Response:
    """Ends the session in the cookies, if there is one."""
    await sign_in.out(presented(request))
    clear_session(request)
    return Response(status_code=204)


@router.post("/sign-out-everywhere", status_code=204, summary="End all sessions")
async def sign_out_everywhere(request: Request, sign_in: SignInDep, session: SessionDep) -> Response:
    await sign_in.out_everywhere(session)
    clear_session(request)
    return Response(status_code=204)


@router.post(
    "/forgot",
    status_code=202,
    summary="Request a password reset",
    responses=refuses(429),
    openapi_extra=takes(bodies.EmailBody),
)
async def forgot(request: Request, passwords: PasswordsDep, context: ContextDep) -> bodies.StatusAnswer:
    """The same answer whether or not the address is known."""
    body = await small_body_of(request, bodies.EmailBody)
    await passwords.forgot(body.email, context.ip)
    return bodies.StatusAnswer(status="sent")


@router.post(
    "/reset", summary="Set a new password with a code", responses=refuses(429), openapi_extra=takes(bodies.ResetBody)
)
async def reset(request: Request, passwords: PasswordsDep, context: ContextDep) -> bodies.StatusAnswer:
    """Ends every session of the user."""
    body = await small_body_of(request, bodies.ResetBody)
    await passwords.reset(body.email, body.code, body.password, context.ip)
    clear_session(request)
    return bodies.StatusAnswer(status="reset")


@router.post(
    "/change-password", status_code=204, summary="Change the password", openapi_extra=takes(bodies.ChangePasswordBody)
)
async def change_password(
    request: Request, passwords: PasswordsDep, context: ContextDep, access: AccessDep
) -> Response:
    """Ends every other session; with a second factor, this one as well."""
    body = await small_body_of(request, bodies.ChangePasswordBody)
    renewed = await passwords.change(access, body.current, body.new, context.ip)
    if renewed is None:
        clear_session(request)
    else:
        set_session(request, renewed)
    return Response(status_code=204)


@router.post("/totp/setup", summary="Begin setting up one-time codes")
async def set_up_totp(totp: TotpDep, access: AccessDep) -> bodies.TotpSetupAnswer:
    found = await totp.setup(access)
    return bodies.TotpSetupAnswer(secret=found.secret, otpauth_url=found.otpauth_url)


@router.post(
    "/totp/enable",
    status_code=204,
    summary="Switch one-time codes on",
    responses=refuses(400),
    openapi_extra=takes(bodies.CodeBody),
)
async def enable_totp(request: Request, totp: TotpDep, context: ContextDep, access: AccessDep) -> Response:
    body = await small_body_of(request, bodies.CodeBody)
    await totp.enable(access, body.code, context.ip)
    return Response(status_code=204)


@router.post(
    "/totp/disable",
    status_code=204,
    summary="Switch one-time codes off",
    responses=refuses(400),
    openapi_extra=takes(bodies.TotpDisableBody),
)
async def disable_totp(request: Request, totp: TotpDep, context: ContextDep, access: AccessDep) -> Response:
    body = await small_body_of(request, bodies.TotpDisableBody)
    if body.code is not None:
        await totp.disable_by_code(access, body.code, context.ip)
    elif body.password is not None:
        await totp.disable_by_password(access, body.password, context.ip)
    else:
        raise ParameterMissing("Send the password, or a code of the authenticator app.", param="password")
    return Response(status_code=204)


@router.get("/session", summary="Get the signed-in user")
async def current_session(
    ensure_account: EnsureAccountDep, totp: TotpDep, session: SessionDep, context: ContextDep
) -> bodies.SessionAnswer:
    account = await ensure_account(session, context.ip)
    totp_enabled = await totp.is_enabled(session)
    return bodies.SessionAnswer(user=_user(session, totp_enabled=totp_enabled, created_s=account.created_s))


def _user(session: Session, *, totp_enabled: bool, created_s: int) -> bodies.UserAnswer:
    return bodies.UserAnswer(
        email=session.email,
        name=session.name,
        account_id=session.account_id,
        is_admin=session.is_admin,
        totp_enabled=totp_enabled,
        created=created_s,
    )


def _answered(request: Request, outcome: SignedIn | PendingChallenge) -> bodies.SignInAnswer:
    if isinstance(outcome, PendingChallenge):
        return bodies.SignInAnswer(status=f"{outcome.kind}_required", session=outcome.token)
    set_session(request, outcome.renewed)
    user = _user(outcome.session, totp_enabled=outcome.totp_enabled, created_s=outcome.account.created_s)
    return bodies.SignInAnswer(user=user)
