"""What accounts and sessions need of an identity provider, as small Protocols, and how it refuses."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from multiconnection import ids


class IdentityRefused(Exception):
    """The provider said no. Its own words are not kept: they may tell whether an e-mail address is known."""


class CredentialsRefused(IdentityRefused):
    """A wrong password, an unknown address, a token that is no longer good."""


class NotConfirmed(IdentityRefused):
    """The address has not been confirmed. Cognito says so before it looks at the password."""


class EmailTaken(IdentityRefused):
    """Somebody has signed up with this address."""


class CodeRefused(IdentityRefused):
    """A wrong, used or expired code."""


class PasswordRefused(IdentityRefused):
    """The new password breaks the pool's rules."""


class RequestRefused(IdentityRefused):
    """A value, or the user's state, does not allow the operation."""


class AttemptsExhausted(IdentityRefused):
    """The provider's own limit of attempts for this person."""


class TokenRefused(Exception):
    """The ID token is not one of ours."""


class TokenExpired(TokenRefused):
    """It was ours."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """`refresh_token` is None where the provider keeps the one it was shown."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False, default=None)


ChallengeKind = Literal["totp", "new_password"]


@dataclass(frozen=True, slots=True)
class Challenge:
    """The password was right and something more is asked for; `session` is the provider's, opaque."""

    kind: ChallengeKind
    user_id: str
    session: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified ID token says."""

    user_id: str
    email: str
    name: str
    is_admin: bool
    expires_s: int


class IdentityProvider(Protocol):
    """Every method raises IdentityUnavailable when the provider cannot be asked, and IdentityRefused as it says."""

    async def sign_up(self, email: str, password: str, name: str) -> None:
        """And send a code. Raises EmailTaken, PasswordRefused, RequestRefused or AttemptsExhausted."""

    async def confirm_sign_up(self, email: str, code: str) -> None:
        """Raises CodeRefused, CredentialsRefused (confirmed before), RequestRefused or AttemptsExhausted."""

    async def set_password(self, email: str, password: str) -> None:
        """Of somebody who is confirmed, for good. May be repeated; raises PasswordRefused or CredentialsRefused."""

    async def resend_code(self, email: str) -> None: ...

    async def sign_in(self, email: str, password: str) -> Tokens | Challenge:
        """Raises CredentialsRefused, NotConfirmed or AttemptsExhausted."""

    async def answer_totp(self, user_id: str, session: str, code: str) -> Tokens:
        """Raises CodeRefused, or CredentialsRefused when the session is over, used, or not of this step and person."""

    async def answer_new_password(self, user_id: str, session: str, password: str) -> Tokens | Challenge:
        """Raises PasswordRefused, or CredentialsRefused as `answer_totp` does."""

    async def client_secret(self) -> str:
        """A secret that the functions of this deployment share and browsers never see."""

    async def refresh(self, refresh_token: str) -> Tokens:
        """May be repeated. Raises CredentialsRefused."""

    async def revoke(self, refresh_token: str) -> None:
        """May be repeated."""

    async def sign_out_everywhere(self, user: str) -> None:
        """`user` is a user id or an address. May be repeated; raises CredentialsRefused for nobody."""

    async def forgot(self, email: str) -> None:
        """Send a code, if there is such a person."""

    async def reset(self, email: str, code: str, password: str) -> None:
        """Raises CodeRefused, CredentialsRefused, PasswordRefused, RequestRefused or AttemptsExhausted."""

    async def change_password(self, access_token: str, current: str, new: str) -> None:
        """Raises CredentialsRefused (the current one is wrong), PasswordRefused or AttemptsExhausted."""

    async def user_id_of(self, user: str) -> str:
        """`user` is a user id or an address. Raises CredentialsRefused for nobody."""

    async def has_totp(self, user_id: str) -> bool:
        """Raises CredentialsRefused for nobody."""

    async def new_totp_secret(self, access_token: str) -> str:
        """In base 32. In force once it is verified and preferred."""

    async def verify_totp(self, access_token: str, code: str) -> None:
        """Of the newest secret. Raises CodeRefused or RequestRefused."""

    async def prefer_totp(self, access_token: str, *, enabled: bool) -> None: ...

    async def rename(self, access_token: str, name: str) -> None: ...


class TokenVerifier(Protocol):
    async def verify(self, id_token: str) -> Claims:
        """Raises TokenExpired, TokenRefused or IdentityUnavailable."""


# Who is signed in, and how an account follows from an identity: without a table in between.

ADMIN_GROUP = "admin"
ACCOUNT_PREFIX = "acct_"
_ACCOUNT_CHARS = 24


@dataclass(frozen=True, slots=True)
class Session:
    """The owner of a verified ID token; `user_id` is the identity provider's own id of the person."""

    account_id: str
    email: str
    name: str
    is_admin: bool
    user_id: str


def account_id_of(user_id: str) -> str:
    """The same person has the same account for ever; 24 characters hold 142 bits of the hash."""
    digest = int.from_bytes(hashlib.sha256(user_id.encode()).digest())
    return ACCOUNT_PREFIX + ids.encode(digest % 62**_ACCOUNT_CHARS, _ACCOUNT_CHARS)


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Ids of the identity provider; `after` is its own cursor."""

    user_ids: Sequence[str]
    after: str | None
