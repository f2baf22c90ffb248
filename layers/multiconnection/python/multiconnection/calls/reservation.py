"""From a cost bound to a hold: one write in the usual case, a few more when balance or key changed meanwhile."""

from dataclasses import dataclass
from typing import Protocol

from cachetools import TTLCache

from multiconnection.catalog.bounds import OUTPUT_TOKENS_MIN, CostBound
from multiconnection.catalog.models import Model
from multiconnection.errors import (
    ApiKeyInvalid,
    GatewayError,
    InsufficientBalance,
    LedgerUnavailable,
    RateLimited,
)
from multiconnection.keys.models import Caller
from multiconnection.ledger.ledger import Ledger, suspended
from multiconnection.ledger.models import ACTIVE, Account, Hold
from multiconnection.ledger.reserve import Refusal, ReserveRefused
from multiconnection.limits.accounts import KnownAccounts
from multiconnection.money import nano_to_usd
from multiconnection.ports import Clock
from multiconnection.retry import StoreError

# Once as asked, once after a stale key epoch, and twice shortened while the balance moves.
TRIES_MAX = 4
# How long an account that could not pay is read before a hold is tried. What is remembered refuses no call, so this
# may be long: the first call after a recharge costs one read more.
SHORT_OF_FUNDS_S = 60.0
SHORT_ACCOUNTS_MAX = 10_000


class CallerRenewal(Protocol):
    async def renew(self, caller: Caller, image_epoch: int) -> Caller:
        """Read the key again after the image; raises ApiKeyInvalid when it was revoked."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a call wants to set aside. `limit` is the caller's own output limit, None when open-ended."""

    hold_id: str
    model: Model
    bound: CostBound
    limit: int | None
    expires_s: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for `output_tokens` of output at most."""

    hold: Hold
    image: Account
    output_tokens: int


class Reserver:
    """Turns refusals of the ledger into the errors of the contract."""

    def __init__(
        self, ledger: Ledger, renewal: CallerRenewal, seen: KnownAccounts, clock: Clock, in_flight_max: int
    ) -> None:
        self._ledger = ledger
        self._renewal = renewal
        self._seen = seen
        self._clock = clock
        self._in_flight_max = in_flight_max
        self._short: TTLCache[str, Account] = TTLCache(SHORT_ACCOUNTS_MAX, SHORT_OF_FUNDS_S, clock.now)

    async def reserve(self, caller: Caller, wish: Wish) -> Reservation:
        """Raises InsufficientBalance, RateLimited, AccountSuspended, ApiKeyInvalid or LedgerUnavailable."""
        bound = await self._first_bound(caller, wish)
        for _ in range(TRIES_MAX):
            hold = _hold(caller, wish, bound)
            try:
                reserved = await self._ledger.reserve(
                    hold, key_epoch=caller.epoch, in_flight_max=self._in_flight_limit(caller)
                )
            except ReserveRefused as exc:
                if exc.image is not None:
                    self._seen.note(exc.image)
                caller, bound = await self._next_try(exc, caller, wish, bound)
            except StoreError as exc:
                raise _unreachable() from exc
            else:
                self._seen.note(reserved.image)
                return Reservation(reserved.hold, reserved.image, bound.output_tokens)
        raise LedgerUnavailable("The balance changed too often while the call was reserved.", retry_after_s=1)

    def _in_flight_limit(self, caller: Caller) -> int:
        own = self._seen.limits(caller.account_id).in_flight_max
        return self._in_flight_max if own is None else own

    async def _next_try(
        self, exc: ReserveRefused, caller: Caller, wish: Wish, bound: CostBound
    ) -> tuple[Caller, CostBound]:
        if exc.image is not None and exc.refusal is Refusal.KEY_EPOCH:
            return await self._renewal.renew(caller, exc.image.key_epoch), bound
        if exc.image is not None and is_about_funds(exc):
            self._remember_short(exc.image)
            return caller, self._shortened(exc.image, caller, wish, bound)
        if exc.refusal is Refusal.CONFLICT:
            return caller, bound
        raise refusal_error(exc) from exc

    def _shortened(self, image: Account, caller: Caller, wish: Wish, bound: CostBound) -> CostBound:
        return bound.with_output(shortened(bound, _funds(image, caller), wish.limit))

    async def _first_bound(self, caller: Caller, wish: Wish) -> CostBound:
        """The bound to try first.

        For an account that could not pay a moment ago a read comes before the write, which would be refused and paid
        for all the same. A recharge, a raised budget or a new key may have come in between, also through another
        process: only what the read shows refuses a call.
        """
        known = self._short.get(caller.account_id)
        if known is None or _affords(known, caller, wish.bound):
            return wish.bound
        try:
            image = await self._seen.read(caller.account_id)
        except StoreError as exc:
            raise _unreachable() from exc
        if image is None or not self._is_only_about_funds(image, caller, wish):
            return wish.bound
        self._remember_short(image)
        return wish.bound if _affords(image, caller, wish.bound) else self._shortened(image, caller, wish, wish.bound)

    def _is_only_about_funds(self, image: Account, caller: Caller, wish: Wish) -> bool:
        """Whatever else may refuse the call is left to the ledger, which names the reason in its own order.

        Under another key epoch the caller's key may have another budget than its cached record says, or none.
        """
        return (
            image.status == ACTIVE
            and image.key_epoch == caller.epoch
            and image.live_holds < self._in_flight_limit(caller)
            and wish.hold_id not in image.holds
        )

    def _remember_short(self, image: Account) -> None:
        self._short[image.account_id] = image


# Reserve what a call can cost: shorten an open-ended answer to the balance, or say what would be affordable.


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


def _funds(image: Account, caller: Caller) -> Funds:
    return Funds.of(image, caller.api_key.key_id, caller.api_key.budget_nano is not None)


def _affords(image: Account, caller: Caller, bound: CostBound) -> bool:
    return _funds(image, caller).available >= bound.hold_nano


def _unreachable() -> LedgerUnavailable:
    return LedgerUnavailable("The ledger cannot be reached; nothing was charged.", retry_after_s=1)


def _hold(caller: Caller, wish: Wish, bound: CostBound) -> Hold:
    return Hold(
        account_id=caller.account_id,
        hold_id=wish.hold_id,
        amount=bound.hold_nano,
        expires_s=wish.expires_s,
        key_id=caller.api_key.key_id,
        capped=caller.api_key.budget_nano is not None,
        model_code=wish.model.code,
        price_version=wish.model.price_version,
    )


IN_FLIGHT_RETRY_AFTER_S = 1.0
_FUNDS = (Refusal.BALANCE, Refusal.KEY_BUDGET)


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


# Whether an account may begin something new besides calls, which the reserve itself refuses.
