"""Cognito: the unsigned operations of a confidential app client, and a few signed ones.

The client's secret proves that a request is ours: the client's id, which every browser can know, is worth nothing
without it.
https://docs.aws.amazon.com/cognito/latest/developerguide/signing-up-users-in-your-app.html#cognito-user-pools-computing-secret-hash
"""

import asyncio
import base64
import hashlib
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multiconnection.aws.client import AwsHttp, AwsRefused, AwsService, AwsUnreachable, answer_of
from multiconnection.errors import IdentityUnavailable

from .models import (
    AttemptsExhausted,
    Challenge,
    ChallengeKind,
    CodeRefused,
    CredentialsRefused,
    EmailTaken,
    IdentityRefused,
    NotConfirmed,
    PasswordRefused,
    PeoplePage,
    RequestRefused,
    Tokens,
)

SERVICE = "cognito-idp"
CONNECT_S, TOTAL_S = 1.0, 5.0
# Cognito takes 15 DescribeUserPoolClient a second, of all processes together: this serves 120 that start at once, and
# ends well before the 29 seconds of a buffered answer.
READ_ATTEMPTS_MAX, READ_REPEAT_S = 20, 12.0
RETRY_AFTER_S = 2
# Cognito's own limit.
SEARCH_LIMIT_MAX = 60
_TARGET = "AWSCognitoIdentityProviderService"
_CHALLENGES: Mapping[str, ChallengeKind] = {"SOFTWARE_TOKEN_MFA": "totp", "NEW_PASSWORD_REQUIRED": "new_password"}
_REFUSALS: Mapping[str, type[IdentityRefused]] = {
    "NotAuthorizedException": CredentialsRefused,
    "UserNotFoundException": CredentialsRefused,
    "PasswordResetRequiredException": CredentialsRefused,
    "UserNotConfirmedException": NotConfirmed,
    "UsernameExistsException": EmailTaken,
    "AliasExistsException": EmailTaken,
    "CodeMismatchException": CodeRefused,
    "ExpiredCodeException": CodeRefused,
    "EnableSoftwareTokenMFAException": CodeRefused,
    "InvalidPasswordException": PasswordRefused,
    "PasswordHistoryPolicyViolationException": PasswordRefused,
    "RefreshTokenReuseException": CredentialsRefused,
    # Only known users are sent mail: a separate answer would reveal them.
    "CodeDeliveryFailureException": RequestRefused,
    "InvalidParameterException": RequestRefused,
    "SoftwareTokenMFANotFoundException": RequestRefused,
    "LimitExceededException": AttemptsExhausted,
    "TooManyFailedAttemptsException": AttemptsExhausted,
}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UserPool:
    """The pool and its app client; `endpoint_url` is set for a local AWS."""

    pool_id: str
    client_id: str
    region: str
    endpoint_url: str | None = None

    @property
    def jwks_url(self) -> str:
        place = f"{self.endpoint_url.rstrip('/')}/{self.pool_id}" if self.endpoint_url else self.issuer
        return f"{place}/.well-known/jwks.json"

    @property
    def issuer(self) -> str:
        """The issuer in ID tokens, also in those of a local AWS."""
        return f"https://{SERVICE}.{self.region}.amazonaws.com/{self.pool_id}"


class Cognito:
    """Implements `IdentityProvider`. Only reads are repeated: Cognito counts each refused code or password."""

    def __init__(self, aws: AwsHttp, pool: UserPool) -> None:
        place: dict[str, Any] = {"json_version": "1.1", "region": pool.region}
        bounds: dict[str, Any] = {"connect_s": CONNECT_S, "total_s": TOTAL_S}
        repeated: dict[str, Any] = {"attempts_max": READ_ATTEMPTS_MAX, "repeat_s": READ_REPEAT_S}
        self._once = AwsService(aws, SERVICE, _TARGET, **place, **bounds)
        self._reads = AwsService(aws, SERVICE, _TARGET, **place, **bounds, **repeated)
        self._pool = pool
        self._client_secret = ""
        self._describing = asyncio.Lock()

    async def sign_up(self, email: str, password: str, name: str) -> None:
        attributes = [_attribute("email", email), *([_attribute("name", name)] if name else [])]
        await self._of_user("SignUp", email, Password=password, UserAttributes=attributes)

    async def confirm_sign_up(self, email: str, code: str) -> None:
        await self._of_user("ConfirmSignUp", email, ConfirmationCode=code)

    async def set_password(self, email: str, password: str) -> None:
        await self._signed("AdminSetUserPassword", Username=email, Password=password, Permanent=True)

    async def resend_code(self, email: str) -> None:
        await self._of_user("ResendConfirmationCode", email)

    async def sign_in(self, email: str, password: str) -> Tokens | Challenge:
        parameters = {"USERNAME": email, "PASSWORD": password, "SECRET_HASH": await self._secret_hash(email)}
        answer = await self._of_client("InitiateAuth", AuthFlow="USER_PASSWORD_AUTH", AuthParameters=parameters)
        if (kind := _challenge_kind(answer)) is None:
            return _tokens(answer)
        # The answer to a challenge has to name the user by id, or the secret hash does not match.
        return Challenge(kind, await self.user_id_of(email), str(answer.get("Session") or ""))

    async def answer_totp(self, user_id: str, session: str, code: str) -> Tokens:
        return _tokens(await self._respond("SOFTWARE_TOKEN_MFA", user_id, session, SOFTWARE_TOKEN_MFA_CODE=code))

    async def answer_new_password(self, user_id: str, session: str, password: str) -> Tokens | Challenge:
        answer = await self._respond("NEW_PASSWORD_REQUIRED", user_id, session, NEW_PASSWORD=password)
        kind = _challenge_kind(answer)
        return Challenge(kind, user_id, str(answer.get("Session") or "")) if kind else _tokens(answer)

    async def refresh(self, refresh_token: str) -> Tokens:
        # REFRESH_TOKEN_AUTH needs a hash of the user's id, which only the token contains.
        secret = await self.client_secret()
        return _tokens(
            await self._of_client("GetTokensFromRefreshToken", RefreshToken=refresh_token, ClientSecret=secret)
        )

    async def revoke(self, refresh_token: str) -> None:
        await self._of_client("RevokeToken", Token=refresh_token, ClientSecret=await self.client_secret())

    async def sign_out_everywhere(self, user: str) -> None:
        await self._signed("AdminUserGlobalSignOut", Username=user)

    async def forgot(self, email: str) -> None:
        await self._of_user("ForgotPassword", email)

    async def reset(self, email: str, code: str, password: str) -> None:
        await self._of_user("ConfirmForgotPassword", email, ConfirmationCode=code, Password=password)

    async def change_password(self, access_token: str, current: str, new: str) -> None:
        await self._call(
            "ChangePassword", {"AccessToken": access_token, "PreviousPassword": current, "ProposedPassword": new}
        )

    async def user_id_of(self, user: str) -> str:
        found = await self._read("AdminGetUser", Username=user)
        values = {each.get("Name"): each.get("Value") for each in found.get("UserAttributes") or ()}
        if not values.get("sub"):
            raise _unavailable("AdminGetUser", "a user without an id")
        return str(values["sub"])

    async def has_totp(self, user_id: str) -> bool:
        found = await self._read("AdminGetUser", Username=user_id)
        return "SOFTWARE_TOKEN_MFA" in (found.get("UserMFASettingList") or ())

    async def new_totp_secret(self, access_token: str) -> str:
        answer = await self._call("AssociateSoftwareToken", {"AccessToken": access_token})
        return str(answer["SecretCode"])

    async def verify_totp(self, access_token: str, code: str) -> None:
        answer = await self._call("VerifySoftwareToken", {"AccessToken": access_token, "UserCode": code})
        if answer.get("Status") != "SUCCESS":
            raise CodeRefused

    async def prefer_totp(self, access_token: str, *, enabled: bool) -> None:
        settings = {"Enabled": enabled, "PreferredMfa": enabled}
        await self._call("SetUserMFAPreference", {"AccessToken": access_token, "SoftwareTokenMfaSettings": settings})

    async def rename(self, access_token: str, name: str) -> None:
        attributes = [_attribute("name", name)]
        await self._call("UpdateUserAttributes", {"AccessToken": access_token, "UserAttributes": attributes})

    async def client_secret(self) -> str:
        """Read once per process, because a template cannot pass it without showing it. A new secret is a new client."""
        async with self._describing:
            if not self._client_secret:
                found = await self._read("DescribeUserPoolClient", ClientId=self._pool.client_id)
                self._client_secret = str((found.get("UserPoolClient") or {}).get("ClientSecret") or "")
        if not self._client_secret:
            raise _unavailable("DescribeUserPoolClient", "a client without a secret")
        return self._client_secret

    async def _respond(self, challenge: str, user_id: str, session: str, **responses: str) -> dict[str, Any]:
        responses |= {"USERNAME": user_id, "SECRET_HASH": await self._secret_hash(user_id)}
        return await self._of_client(
            "RespondToAuthChallenge", ChallengeName=challenge, Session=session, ChallengeResponses=responses
        )

    async def _of_user(self, operation: str, email: str, **members: Any) -> dict[str, Any]:
        return await self._of_client(operation, Username=email, SecretHash=await self._secret_hash(email), **members)

    async def _of_client(self, operation: str, **members: Any) -> dict[str, Any]:
        return await self._call(operation, {"ClientId": self._pool.client_id, **members})

    async def _secret_hash(self, user: str) -> str:
        message = f"{user}{self._pool.client_id}".encode()
        return base64.b64encode(hmac.digest((await self.client_secret()).encode(), message, hashlib.sha256)).decode()

    async def _signed(self, operation: str, **members: Any) -> dict[str, Any]:
        """Call an operation of the pool, signed with the function's role."""
        return await self._call(operation, {"UserPoolId": self._pool.pool_id, **members}, signed=True)

    async def _read(self, operation: str, **members: Any) -> dict[str, Any]:
        """The same for an operation that changes nothing and counts nothing; repeated when Cognito refuses for load."""
        return await self._call(operation, {"UserPoolId": self._pool.pool_id, **members}, signed=True, reads=True)

    async def _call(
        self, operation: str, members: Mapping[str, Any], *, signed: bool = False, reads: bool = False
    ) -> dict[str, Any]:
        try:
            return await (self._reads if reads else self._once).call(operation, members, signed=signed)
        except AwsRefused as exc:
            # Without its cause, whose message has nothing to add.
            raise refusal(operation, exc.status, exc.code) from None
        except AwsUnreachable as exc:
            raise _unavailable(operation, exc.reason) from None


class CognitoPeople(Cognito):
    """Searches the users of the pool. https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html"""

    async def search(self, prefix: str, limit: int, after: str | None) -> PeoplePage:
        """Users whose e-mail address starts with `prefix`, in no order."""
        quoted = prefix.replace("\\", "\\\\").replace('"', '\\"')
        members: dict[str, Any] = {
            "Filter": f'email ^= "{quoted}"',
            "AttributesToGet": ["sub"],
            "Limit": min(limit, SEARCH_LIMIT_MAX),
        }
        if after is not None:
            members["PaginationToken"] = after
        answer = await self._read("ListUsers", **members)
        found = [
            str(attribute["Value"])
            for user in answer.get("Users", ())
            for attribute in user.get("Attributes", ())
            if attribute["Name"] == "sub"
        ]
        return PeoplePage(found, answer.get("PaginationToken"))


class JwksUrl:
    """The URL at which the pool publishes the keys that sign its tokens."""

    def __init__(self, aws: AwsHttp, url: str) -> None:
        self._aws = aws
        self._url = url

    async def fetch(self) -> Mapping[str, Any]:
        """Raises IdentityUnavailable."""
        try:
            response = await self._aws.request("JWKS", "GET", self._url, connect_s=CONNECT_S, total_s=TOTAL_S)
            return answer_of("JWKS", response)
        except (AwsRefused, AwsUnreachable) as exc:
            raise _unavailable("JWKS", str(exc)) from None


def refusal(operation: str, status: int, code: str) -> IdentityRefused | IdentityUnavailable:
    """Our error for an error of Cognito's; whatever is about neither person nor input is an outage."""
    if code == "CodeDeliveryFailureException":
        log.warning("code_not_delivered", extra={"operation": operation})
    if status < 500 and code in _REFUSALS:
        return _REFUSALS[code](code)
    return _unavailable(operation, f"HTTP {status} {code}".rstrip())


def _attribute(name: str, value: str) -> dict[str, str]:
    return {"Name": name, "Value": value}


def _challenge_kind(answer: Mapping[str, Any]) -> ChallengeKind | None:
    return _CHALLENGES.get(str(answer.get("ChallengeName")))


def _tokens(answer: Mapping[str, Any]) -> Tokens:
    """Raises IdentityUnavailable for a challenge that is not expected: the pool is configured differently."""
    found = answer.get("AuthenticationResult")
    if not isinstance(found, dict) or not {"IdToken", "AccessToken"} <= found.keys():
        raise _unavailable("InitiateAuth", f"no tokens but {answer.get('ChallengeName')}")
    return Tokens(str(found["IdToken"]), str(found["AccessToken"]), found.get("RefreshToken"))


def _unavailable(operation: str, why: str) -> IdentityUnavailable:
    log.warning("identity_provider_failed", extra={"operation": operation, "error": why})
    return IdentityUnavailable("Signing in is not possible right now, please try again.", retry_after_s=RETRY_AFTER_S)
