"""Reserve what a call can cost: shorten an open-ended answer to the balance, or say what would be affordable."""

from dataclasses import dataclass

from multiconnection.domain.bounds import OUTPUT_TOKENS_MIN, CostBound
from multiconnection.domain.errors import ApiKeyInvalid, InsufficientBalance, LedgerUnavailable, RateLimited
from multiconnection.domain.gateway_error import GatewayError
from multiconnection.domain.money import nano_to_usd
from multiconnection.ledger.accounts import Account
from multiconnection.ledger.reserve import Refusal, ReserveRefused

from .standing import suspended

IN_FLIGHT_RETRY_AFTER_S = 1.0
_FUNDS = (Refusal.BALANCE, Refusal.KEY_BUDGET)


@dataclass(frozen=True, slots=True)
class Funds:
    """What one refusal says about money: `available` now, `potential` once every call in flight has ended."""

    available: int
    potential: int
    reason: str

    @classmethod
    def of(cls, image: Account, key_id: str, capped: bool) -> "Funds":
        """The tighter of account balance and key budget."""
        held_by_key = sum(hold.amount for hold in image.holds.values() if hold.key_id == key_id)
        potential = image.available + image.held
        if not capped:
            return cls(image.available, potential, "account_balance")
        cap = image.key_caps.get(key_id, 0)
        potential = min(potential, cap + held_by_key)
        if cap < image.available:
            return cls(cap, potential, "key_budget")
        return cls(image.available, potential, "account_balance")


def shortened(bound: CostBound, funds: Funds, limit: int | None) -> int:
    """Output tokens to try instead; raises the 402 or 429 that tells the caller what to do.

    `limit` is what the caller asked for, None when open-ended: only then may the answer be shortened.
    """
    least = OUTPUT_TOKENS_MIN if limit is None else bound.output_tokens
    affordable = bound.affordable_tokens(funds.available)
    if limit is None and affordable >= OUTPUT_TOKENS_MIN:
        return min(affordable, bound.output_tokens)
    if bound.affordable_tokens(funds.potential) >= least:
        raise RateLimited(
            "Your balance is set aside for calls in flight. Retry when one of them has ended.",
            reason="in_flight",
            retry_after_s=IN_FLIGHT_RETRY_AFTER_S,
        )
    tokens = max(0, affordable) if bound.per_token_pico else None
    raise insufficient(funds, tokens, needed=bound.with_output(least).hold_nano)


def insufficient(funds: Funds, affordable_tokens: int | None, needed: int) -> InsufficientBalance:
    """`affordable_tokens` is None for calls whose price does not depend on the length of the answer."""
    whose = "The budget of this API key" if funds.reason == "key_budget" else "Insufficient balance: the account"
    return InsufficientBalance(
        f"{whose} has {nano_to_usd(funds.available)} USD available and this call can cost {nano_to_usd(needed)} USD. "
        + _advice(funds, affordable_tokens),
        details={
            "reason": funds.reason,
            "available": nano_to_usd(funds.available),
            "required": nano_to_usd(needed),
            **({} if affordable_tokens is None else {"affordable_max_tokens": affordable_tokens}),
        },
    )


def _advice(funds: Funds, affordable_tokens: int | None) -> str:
    """Only what helps: no shorter answer makes up for a prompt that is too dear by itself."""
    pay = "raise the key's budget" if funds.reason == "key_budget" else "recharge"
    return f"{pay.capitalize()}, or lower `max_tokens`." if affordable_tokens else f"{pay.capitalize()}."


def refusal_error(exc: ReserveRefused) -> GatewayError:
    """The caller's error for a refusal that is not about money."""
    if exc.refusal is Refusal.STATUS:
        return suspended()
    if exc.refusal is Refusal.IN_FLIGHT:
        return RateLimited(
            "Too many calls of this account are in flight.",
            reason="in_flight",
            retry_after_s=IN_FLIGHT_RETRY_AFTER_S,
        )
    if exc.refusal is Refusal.NO_ACCOUNT:
        return ApiKeyInvalid("The account of this API key does not exist.")
    return LedgerUnavailable("The account changed while the call was being reserved.", retry_after_s=1)


def is_about_funds(exc: ReserveRefused) -> bool:
    return exc.refusal in _FUNDS
