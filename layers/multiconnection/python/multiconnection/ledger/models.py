"""Accounts, holds, usage rows and credit rows, and the invariants of an account."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from multiconnection import ids
from multiconnection.usage import Ended, Usage, UsageSource

ACTIVE = "active"
SUSPENDED = "suspended"
# An account that broke an invariant; it is not served until an operator has looked at it.
FROZEN = "frozen"
AccountStatus = Literal["active", "suspended", "frozen"]
# Format of a packed hold. It lets a deployment read the holds of calls that began under the code before it.
FORMAT = "1"
PRICE_VERSION_MAX = 62**2 - 1


class HoldFormatError(ValueError):
    """A packed hold that this code cannot read; money is never guessed."""


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """Per-account limits; None means the deployment's default."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    in_flight_max: int | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Money set aside for one call. `birth` is the account's version at that moment: the fence of decide and apply."""

    account_id: str
    hold_id: str
    amount: int
    expires_s: int
    key_id: str
    capped: bool
    model_code: str
    price_version: int
    birth: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """An account item at one moment. Amounts are in n$; `key_caps` is what is left of each capped key's budget."""

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

    With the price version, `markup_basis_points` makes a charge computable from its row alone, whatever changes later.
    `secret` is `ApiKey.digits` of the secret that made the call; "" if the sweeper decided, which does not know it.
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
    """Money into an account, or out of it if negative; a `credit_id` is credited once."""

    account_id: str
    credit_id: str
    amount: int
    kind: str
    reason: str
    actor: str
    created_ms: int


def pack(hold: Hold) -> str:
    """The value of a hold's attribute, at most 60 bytes with its birth, so that 256 holds fit into 16 KB.

    `F EEEEEE KKKKKKKK C MMM VV A…` without the spaces, numbers in base 62: format, expiry in seconds, key id, 1 if the
    key has a budget, model code, price version, amount in n$.
    """
    return "".join(
        (
            FORMAT,
            ids.encode(hold.expires_s, 6),
            hold.key_id,
            "1" if hold.capped else "0",
            hold.model_code,
            ids.encode(hold.price_version, 2),
            ids.encode(hold.amount),
        )
    )


def unpack(account_id: str, hold_id: str, packed: str, birth: int) -> Hold:
    """Raises HoldFormatError on an unknown format."""
    if packed[:1] != FORMAT or len(packed) < 22:
        raise HoldFormatError(f"hold {hold_id} of account {account_id} has an unknown format")
    return Hold(
        account_id=account_id,
        hold_id=hold_id,
        amount=ids.decode(packed[21:]),
        expires_s=ids.decode(packed[1:7]),
        key_id=packed[7:15],
        capped=packed[15] == "1",
        model_code=packed[16:19],
        price_version=ids.decode(packed[19:21]),
        birth=birth,
    )


def breaches(image: Account) -> list[str]:
    """The invariants I1 to I3 that an account breaks, with their figures; checked on every image the ledger sees."""
    found = []
    parts = image.available + image.held + image.charged
    if image.credits_in != parts:
        found.append(f"I1: credits_in {image.credits_in} is not available + held + charged {parts}")
    holds = sum(hold.amount for hold in image.holds.values())
    if image.held != holds or image.live_holds != len(image.holds):
        found.append(f"I2: held {image.held} of {image.live_holds} holds, but {len(image.holds)} sum to {holds}")
    if image.available < 0 or any(left < 0 for left in image.key_caps.values()):
        found.append(f"I3: available {image.available} or a key's budget is negative")
    return found


@dataclass(frozen=True, slots=True)
class SweepReport:
    """The figures of a sweep. `waiting` holds are live and not due; `next_expiry_s` is when the first of them expires.

    `oldest_expiry_s` also counts the holds that are due and could not be ended.
    """

    accounts: int
    ended: int
    failed: int
    waiting: int
    next_expiry_s: int | None
    complete: bool
    oldest_expiry_s: int | None = None
