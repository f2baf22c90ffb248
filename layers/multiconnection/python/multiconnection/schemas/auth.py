"""Bodies of the browser's account API."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

EMAIL_CHARS_MAX = 254
NAME_CHARS_MAX = 100
# Wrong ones get the same answer as unknown ones; only the size is bounded here.
SECRET_CHARS_MAX = 4096


def _email(value: str) -> str:
    """As people write it, in the one form in which it is compared. The provider checks that it exists."""
    email = value.strip().lower()
    local, at, domain = email.rpartition("@")
    if not (local and at and "." in domain.strip(".")) or not email.isprintable() or " " in email or "@" in local:
        raise ValueError("this is no e-mail address")
    return email


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
    code: Code


class SignInBody(EmailBody):
    password: Secret


class TotpAnswerBody(EmailBody):
    session: Secret
    code: Code


class NewPasswordBody(EmailBody):
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
    """One of both; the code where both are given."""

    password: Secret | None = None
    code: Code | None = None


class AccountBody(AuthBody):
    name: Annotated[Name, Field(min_length=1)]
