"""The account image and the records of the ledger, as every tier sees them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from multiconnection.domain.holds import Hold
from multiconnection.domain.usage import Ended, Usage, UsageSource

ACTIVE = "active"
SUSPENDED = "suspended"
# An account whose books broke an invariant: served no more until a person has looked.
FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """Per-account limits; None means the deployment's default."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    in_flight_max: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """One image of an account item. All amounts are n$. `key_caps` is what is left of each capped key's budget."""

    account_id: str
    credits_in: int
    available: int
    held: int
    charged: int
    live_holds: int
    version: int
    status: str
    key_epoch: int
    holds: Mapping[str, Hold]
    key_caps: Mapping[str, int]
    name: str = ""
    created_s: int = 0
    activity_bucket: int | None = None
    limits: AccountLimits = field(default_factory=AccountLimits)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The immutable decision about one call; `cost` is what is charged, never more than `hold`.

    With the price version, `markup_basis_points` makes a charge computable from its row alone, whatever is set later.
    `secret` is `ApiKey.digits` of the secret that made the call; "" where the sweeper decided, which does not know it.
    """

    account_id: str
    hold_id: str
    birth: int
    hold: int
    cost: int
    overrun: int
    key_id: str
    model: str
    price_version: int
    usage: Usage
    usage_source: UsageSource
    ended: Ended
    decided_by: str
    created_ms: int
    provider: str = ""
    attempts: int = 0
    endpoint: str = ""
    streamed: bool = False
    duration_ms: int = 0
    markup_basis_points: int = 0
    secret: str = ""


@dataclass(frozen=True, slots=True)
class CreditRow:
    """One movement of money into (or, negative, out of) an account; `credit_id` makes it happen once."""

    account_id: str
    credit_id: str
    amount: int
    kind: str
    reason: str
    actor: str
    created_ms: int
