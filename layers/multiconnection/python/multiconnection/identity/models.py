"""Sessions, tokens and challenges, the identity provider behind them, and its refusals."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from multiconnection import ids

ADMIN_GROUP = "admin"
ACCOUNT_PREFIX = "acct_"
_ACCOUNT_CHARS = 24
ChallengeKind = Literal["totp", "new_password"]


@dataclass(frozen=True, slots=True)
class Session:
    """The owner of a verified ID token; `user_id` is the identity provider's id."""

    account_id: str
    email: str
    name: str
    is_admin: bool
    user_id: str


class IdentityRefused(Exception):
    """A refusal of the provider. Its message is not kept: it may reveal whether an e-mail address is known."""


class CredentialsRefused(IdentityRefused):
    """A wrong password, an unknown address, or a token that is no longer valid."""


class NotConfirmed(IdentityRefused):
    """The address has not been confirmed. Cognito checks this before the password."""


class EmailTaken(IdentityRefused):
    """The address belongs to a user already."""


class CodeRefused(IdentityRefused):
    """A wrong, used or expired code."""


class PasswordRefused(IdentityRefused):
    """The new password breaks the pool's rules."""


class RequestRefused(IdentityRefused):
    """A value, or the user's state, does not allow the operation."""


class AttemptsExhausted(IdentityRefused):
    """The provider's own limit of attempts for this user is reached."""


class TokenRefused(Exception):
    """The ID token was not issued by our user pool for our client."""


class TokenExpired(TokenRefused):
    """The ID token was valid and has expired."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """`refresh_token` is None when the presented one stays valid."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Challenge:
    """A second step after the right password; `session` is the provider's own, opaque."""

    kind: ChallengeKind
    user_id: str
    session: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claims:
    """The contents of a verified ID token."""

    user_id: str
    email: str
    name: str
    is_admin: bool
    expires_s: int


class IdentityProvider(Protocol):
    """Every method raises IdentityUnavailable when the provider cannot be reached, and IdentityRefused as documented.

    A `user` is a user id or an e-mail address.
    """

    async def sign_up(self, email: str, password: str, name: str) -> None:
        """Also sends a code. Raises EmailTaken, PasswordRefused, RequestRefused or AttemptsExhausted."""

    async def confirm_sign_up(self, email: str, code: str) -> None:
        """Raises CodeRefused, CredentialsRefused (confirmed before), RequestRefused or AttemptsExhausted."""

    async def set_password(self, email: str, password: str) -> None:
        """Set a confirmed user's password for good. May be repeated; raises PasswordRefused or CredentialsRefused."""

    async def resend_code(self, email: str) -> None: ...

    async def sign_in(self, email: str, password: str) -> Tokens | Challenge:
        """Raises CredentialsRefused, NotConfirmed or AttemptsExhausted."""

    async def answer_totp(self, user_id: str, session: str, code: str) -> Tokens:
        """Raises CodeRefused, or CredentialsRefused for a session that has ended, is used, or is not this user's."""

    async def answer_new_password(self, user_id: str, session: str, password: str) -> Tokens | Challenge:
        """Raises PasswordRefused, or CredentialsRefused as `answer_totp` does."""

    async def client_secret(self) -> str:
        """A secret that the functions of this deployment share and browsers never see."""

    async def refresh(self, refresh_token: str) -> Tokens:
        """May be repeated. Raises CredentialsRefused."""

    async def revoke(self, refresh_token: str) -> None:
        """May be repeated."""

    async def sign_out_everywhere(self, user: str) -> None:
        """May be repeated; raises CredentialsRefused for an unknown user."""

    async def forgot(self, email: str) -> None:
        """Send a code if the user is known."""

    async def reset(self, email: str, code: str, password: str) -> None:
        """Raises CodeRefused, CredentialsRefused, PasswordRefused, RequestRefused or AttemptsExhausted."""

    async def change_password(self, access_token: str, current: str, new: str) -> None:
        """Raises CredentialsRefused (the current password is wrong), PasswordRefused or AttemptsExhausted."""

    async def user_id_of(self, user: str) -> str:
        """Raises CredentialsRefused for an unknown user."""

    async def has_totp(self, user_id: str) -> bool:
        """Raises CredentialsRefused for an unknown user."""

    async def new_totp_secret(self, access_token: str) -> str:
        """A secret in base 32, in force once it is verified and preferred."""

    async def verify_totp(self, access_token: str, code: str) -> None:
        """Check a code of the newest secret. Raises CodeRefused or RequestRefused."""

    async def prefer_totp(self, access_token: str, *, enabled: bool) -> None: ...

    async def rename(self, access_token: str, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """User ids of the identity provider; `after` is its own cursor."""

    user_ids: Sequence[str]
    after: str | None


def account_id_of(user_id: str) -> str:
    """The account of a user, which follows from the id without a table; 24 characters hold 142 bits of the hash."""
    digest = int.from_bytes(hashlib.sha256(user_id.encode()).digest())
    return ACCOUNT_PREFIX + ids.encode(digest % 62**_ACCOUNT_CHARS, _ACCOUNT_CHARS)
