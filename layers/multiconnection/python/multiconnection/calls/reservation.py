"""From a priced call to a hold: one write in the usual case, a few more when balance or key changed meanwhile."""

from dataclasses import dataclass

from cachetools import TTLCache

from multiconnection.catalog.bounds import OUTPUT_TOKENS_MIN, CostBound
from multiconnection.context import RequestContext
from multiconnection.errors import (
    ApiKeyInvalid,
    GatewayError,
    InsufficientBalance,
    LedgerUnavailable,
    RateLimited,
)
from multiconnection.keys.authenticate import Authenticator
from multiconnection.keys.models import Caller
from multiconnection.ledger.ledger import Ledger, suspended
from multiconnection.ledger.models import ACTIVE, Account, Hold
from multiconnection.ledger.reserve import ReserveRefusal, ReserveRefused
from multiconnection.limits.accounts import KnownAccounts
from multiconnection.money import nano_to_usd
from multiconnection.ports import Clock
from multiconnection.retry import StoreError

from .requests import PricedCall

# Once as asked, once after a stale key epoch, and twice shortened while the balance moves.
TRIES_MAX = 4
# How long an account that could not pay is read before a hold is tried. What is remembered refuses no call, so this
# may be long: the first call after a recharge costs one read more.
SHORT_OF_FUNDS_S = 60.0
SHORT_ACCOUNTS_MAX = 10_000
IN_FLIGHT_RETRY_AFTER_S = 1.0
_ABOUT_FUNDS = (ReserveRefusal.BALANCE, ReserveRefusal.KEY_BUDGET)


@dataclass(frozen=True, slots=True)
class Reservation:
    """A hold for at most `bound`: that of the call, or a shorter answer's."""

    hold: Hold
    image: Account
    bound: CostBound


class Reserver:
    """Turns refusals of the ledger into the errors of the contract.

    A hold lives for `hold_lifetime_s` after its request began. `in_flight_max` is of accounts without a limit of their
    own.
    """

    def __init__(
        self,
        ledger: Ledger,
        authenticator: Authenticator,
        seen: KnownAccounts,
        clock: Clock,
        in_flight_max: int,
        hold_lifetime_s: float,
    ) -> None:
        self._ledger = ledger
        self._authenticator = authenticator
        self._seen = seen
        self._clock = clock
        self._in_flight_max = in_flight_max
        self._hold_lifetime_s = hold_lifetime_s
        self._short: TTLCache[str, Account] = TTLCache(SHORT_ACCOUNTS_MAX, SHORT_OF_FUNDS_S, clock.now)

    async def reserve(self, caller: Caller, call: PricedCall, context: RequestContext) -> Reservation:
        """Raises InsufficientBalance, RateLimited, AccountSuspended, ApiKeyInvalid or LedgerUnavailable."""
        bound = await self._first_bound(caller, call, context.hold_id)
        for _ in range(TRIES_MAX):
            hold = self._hold(caller, call, bound, context)
            try:
                reserved = await self._ledger.reserve(
                    hold, key_epoch=caller.epoch, in_flight_max=self._in_flight_limit(caller)
                )
            except ReserveRefused as exc:
                if exc.image is not None:
                    self._seen.note(exc.image)
                caller, bound = await self._next_try(exc, caller, call, bound)
            except StoreError as exc:
                raise _unreachable() from exc
            else:
                self._seen.note(reserved.image)
                return Reservation(reserved.hold, reserved.image, bound)
        raise LedgerUnavailable("The balance changed too often while the call was reserved.", retry_after_s=1)

    def _hold(self, caller: Caller, call: PricedCall, bound: CostBound, context: RequestContext) -> Hold:
        return Hold(
            account_id=caller.account_id,
            hold_id=context.hold_id,
            amount=bound.hold_nano,
            expires_s=int(context.started_s + self._hold_lifetime_s),
            key_id=caller.api_key.key_id,
            capped=caller.api_key.budget_nano is not None,
            model_code=call.model.code,
            price_version=call.model.price_version,
        )

    def _in_flight_limit(self, caller: Caller) -> int:
        own = self._seen.limits(caller.account_id).in_flight_max
        return self._in_flight_max if own is None else own

    async def _next_try(
        self, exc: ReserveRefused, caller: Caller, call: PricedCall, bound: CostBound
    ) -> tuple[Caller, CostBound]:
        """Raises the caller's error where another try would be refused as well."""
        if exc.image is not None and exc.refusal is ReserveRefusal.KEY_EPOCH:
            return await self._authenticator.renew(caller, exc.image.key_epoch), bound
        if exc.image is not None and is_about_funds(exc):
            self._remember_short(exc.image)
            return caller, shortened(bound, _funds(exc.image, caller), call.output_limit)
        if exc.refusal is ReserveRefusal.CONFLICT:
            return caller, bound
        raise refusal_error(exc) from exc

    async def _first_bound(self, caller: Caller, call: PricedCall, hold_id: str) -> CostBound:
        """The bound to try first.

        For an account that could not pay a moment ago a read comes before the write, which would be refused and paid
        for all the same. A recharge, a raised budget or a new key may have come in between, also through another
        process: only what the read shows refuses a call.
        """
        known = self._short.get(caller.account_id)
        if known is None or _affords(known, caller, call.bound):
            return call.bound
        try:
            image = await self._seen.read(caller.account_id)
        except StoreError as exc:
            raise _unreachable() from exc
        if image is None or not self._is_only_about_funds(image, caller, hold_id):
            return call.bound
        self._remember_short(image)
        if _affords(image, caller, call.bound):
            return call.bound
        return shortened(call.bound, _funds(image, caller), call.output_limit)

    def _is_only_about_funds(self, image: Account, caller: Caller, hold_id: str) -> bool:
        """Other reasons to refuse the call are left to the ledger, which names them in its own order.

        Under another key epoch the caller's key may have another budget than its cached record says, or none.
        """
        return (
            image.status == ACTIVE
            and image.key_epoch == caller.epoch
            and image.live_holds < self._in_flight_limit(caller)
            and hold_id not in image.holds
        )

    def _remember_short(self, image: Account) -> None:
        self._short[image.account_id] = image


@dataclass(frozen=True, slots=True)
class Funds:
    """The money in one account image: `available` now, `potential` once every call in flight has ended."""

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


def shortened(bound: CostBound, funds: Funds, limit: int | None) -> CostBound:
    """The bound of the longest answer that the funds afford; raises a 402 or 429 that says what to do.

    `limit` is what the caller asked for, None when open-ended: only then may the answer be shortened.
    """
    least = OUTPUT_TOKENS_MIN if limit is None else bound.output_tokens
    affordable = bound.affordable_tokens(funds.available)
    if limit is None and affordable >= OUTPUT_TOKENS_MIN:
        return bound.with_output(min(affordable, bound.output_tokens))
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
    short = "The budget of this API key" if funds.reason == "key_budget" else "Insufficient balance: the account"
    return InsufficientBalance(
        f"{short} has {nano_to_usd(funds.available)} USD available and this call can cost {nano_to_usd(needed)} USD. "
        + _advice(funds, affordable_tokens),
        details={
            "reason": funds.reason,
            "available": nano_to_usd(funds.available),
            "required": nano_to_usd(needed),
            **({} if affordable_tokens is None else {"affordable_max_tokens": affordable_tokens}),
        },
    )


def refusal_error(exc: ReserveRefused) -> GatewayError:
    """The caller's error for a refusal that is not about money."""
    if exc.refusal is ReserveRefusal.STATUS:
        return suspended()
    if exc.refusal is ReserveRefusal.IN_FLIGHT:
        return RateLimited(
            "Too many calls of this account are in flight.",
            reason="in_flight",
            retry_after_s=IN_FLIGHT_RETRY_AFTER_S,
        )
    if exc.refusal is ReserveRefusal.NO_ACCOUNT:
        return ApiKeyInvalid("The account of this API key does not exist.")
    return LedgerUnavailable("The account changed while the call was being reserved.", retry_after_s=1)


def is_about_funds(exc: ReserveRefused) -> bool:
    return exc.refusal in _ABOUT_FUNDS


def _funds(image: Account, caller: Caller) -> Funds:
    return Funds.of(image, caller.api_key.key_id, caller.api_key.budget_nano is not None)


def _affords(image: Account, caller: Caller, bound: CostBound) -> bool:
    return _funds(image, caller).available >= bound.hold_nano


def _advice(funds: Funds, affordable_tokens: int | None) -> str:
    """Advice that helps: no shorter answer makes up for a prompt that is too dear by itself."""
    pay = "raise the key's budget" if funds.reason == "key_budget" else "recharge"
    return f"{pay.capitalize()}, or lower `max_tokens`." if affordable_tokens else f"{pay.capitalize()}."


def _unreachable() -> LedgerUnavailable:
    return LedgerUnavailable("The ledger cannot be reached; nothing was charged.", retry_after_s=1)
