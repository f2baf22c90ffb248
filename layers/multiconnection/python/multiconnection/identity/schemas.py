"""Bodies and answers of /api/auth."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from multiconnection.web.openapi import AnswerModel, Time

EMAIL_CHARS_MAX = 254
NAME_CHARS_MAX = 100
# Wrong secrets get the same answer as unknown ones; only the size is checked here.
SECRET_CHARS_MAX = 4096
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The addresses that the provider accepts: for any other, a sign-up would seem to have sent a code.
_EMAIL = re.compile(
    rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]{{0,58}}[a-z0-9])"
)


def _email(value: str) -> str:
    """The form in which addresses are compared; domains of other scripts have to be in their ASCII form."""
    email = value.strip().lower()
    if not _EMAIL.fullmatch(email):
        raise ValueError("this is not an e-mail address")
    return email


def printable_name(value: str) -> str:
    """The displayable part of a name that another system has accepted: no control or format characters, bounded."""
    return "".join(char for char in " ".join(value.split()) if char.isprintable())[:NAME_CHARS_MAX].strip()


def _name(value: str) -> str:
    name = " ".join(value.split())
    if not name.isprintable():
        raise ValueError("this cannot be shown as a name")
    return name


Email = Annotated[str, Field(max_length=EMAIL_CHARS_MAX), AfterValidator(_email)]
Name = Annotated[str, Field(max_length=NAME_CHARS_MAX), AfterValidator(_name)]
Secret = Annotated[str, Field(min_length=1, max_length=SECRET_CHARS_MAX)]
Code = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(lambda code: "".join(code.split()))]


class AuthBody(BaseModel):
    """Strict about the types of known fields, silent about unknown ones."""

    model_config = ConfigDict(strict=True, extra="ignore")


class EmailBody(AuthBody):
    email: Email


class SignUpBody(EmailBody):
    password: Secret
    name: Name = ""


class ConfirmBody(EmailBody):
    """The mailed code, and the password that its owner chooses."""

    code: Code
    password: Secret


class SignInBody(EmailBody):
    password: Secret


class TotpAnswerBody(AuthBody):
    """`session` identifies the user and the sign-in."""

    session: Secret
    code: Code


class NewPasswordBody(AuthBody):
    session: Secret
    password: Secret


class ResetBody(EmailBody):
    code: Code
    password: Secret


class ChangePasswordBody(AuthBody):
    current: Secret
    new: Secret


class CodeBody(AuthBody):
    code: Code


class TotpDisableBody(AuthBody):
    """Either of both; the code when both are given."""

    password: Secret | None = None
    code: Code | None = None


class StatusAnswer(AnswerModel):
    status: Literal["confirmation_required", "confirmed", "sent", "reset"]


class UserAnswer(AnswerModel):
    email: str
    name: str
    account_id: str
    is_admin: bool
    totp_enabled: bool
    created: Time


class SessionAnswer(AnswerModel):
    user: UserAnswer


class SignInAnswer(AnswerModel):
    """The user, or the challenge that is left: its kind, and the session to answer it with."""

    user: UserAnswer | None = None
    status: Literal["totp_required", "new_password_required"] | None = None
    session: str | None = None


class TotpSetupAnswer(AnswerModel):
    secret: str
    otpauth_url: str
