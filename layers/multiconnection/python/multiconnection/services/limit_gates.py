"""Who is limited on a caller's way in, by how much, and what a refusal says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from multiconnection.domain.api_keys import ApiKey
from multiconnection.domain.errors import RateLimited
from multiconnection.domain.limits import Rate
from multiconnection.ledger.accounts import AccountLimits

from .limit_store import REQUESTS, TOKENS
from .limit_window import Refusal

FAILED_AUTH = "failed_auth"
_QUANTITY = {REQUESTS: "requests", TOKENS: "tokens"}
_OWNER = {"key": "this API key", "account": "this account", "ip": "your IP address", FAILED_AUTH: "your IP address"}


class LimitDefaults(Protocol):
    """The deployment's limits; `config.Settings` has them."""

    @property
    def account_requests_per_minute(self) -> int: ...
    @property
    def account_tokens_per_minute(self) -> int: ...
    @property
    def ip_requests_per_minute(self) -> int: ...
    @property
    def ip_failed_auth_per_minute(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Gate:
    """One subject on a caller's way in, and its rates by attribute."""

    scope: str
    subject: str
    rates: Mapping[str, Rate]

    @property
    def lazy(self) -> bool:
        return self.scope != "key"

    def error(self, refusal: Refusal) -> RateLimited:
        quantity = _QUANTITY[refusal.attribute]
        what = "failed authentications" if self.scope == FAILED_AUTH else quantity
        limit = f"{self.rates[refusal.attribute].per_minute} {what} per minute"
        advice = (
            "This request alone is larger than that; make it smaller."
            if refusal.never
            else f"Please try again in {max(refusal.retry_after_s, 0.001):.3f} s."
        )
        error = RateLimited(
            f"Rate limit reached for {_OWNER[self.scope]}: {limit}. {advice}",
            reason="ip_failed_auth" if self.scope == FAILED_AUTH else f"{self.scope}_{quantity}",
            retry_after_s=refusal.retry_after_s,
            limit_type=quantity,
        )
        error.retryable = False if refusal.never else None
        return error


def gates_of(api_key: ApiKey, limits: AccountLimits, defaults: LimitDefaults) -> list[Gate]:
    """The key where it has limits of its own, then the account."""
    own = {REQUESTS: api_key.requests_per_minute, TOKENS: api_key.tokens_per_minute}
    rates = {attribute: Rate(limit) for attribute, limit in own.items() if limit is not None}
    shared = {
        REQUESTS: Rate(limits.requests_per_minute or defaults.account_requests_per_minute),
        TOKENS: Rate(limits.tokens_per_minute or defaults.account_tokens_per_minute),
    }
    account = Gate("account", f"acct:{api_key.account_id}", shared)
    key = Gate("key", f"key:{api_key.account_id}:{api_key.key_id}", rates)
    return [key, account] if rates else [account]


def ip_gate(ip: str, defaults: LimitDefaults) -> Gate:
    return Gate("ip", f"ip:{ip}", {REQUESTS: Rate(defaults.ip_requests_per_minute)})


def failed_auth_gate(ip: str, defaults: LimitDefaults) -> Gate:
    return Gate(FAILED_AUTH, f"ipfail:{ip}", {REQUESTS: Rate(defaults.ip_failed_auth_per_minute)})
