"""From a cost bound to a hold: one write in the usual case, a few more when balance or key changed meanwhile."""

from dataclasses import dataclass
from typing import Protocol

from multiconnection.domain.bounds import CostBound
from multiconnection.domain.catalog import Model
from multiconnection.domain.errors import LedgerUnavailable
from multiconnection.domain.holds import Hold
from multiconnection.domain.ports import Clock
from multiconnection.ledger.accounts import Account
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.reserve import Refusal, ReserveRefused
from multiconnection.ledger.store import StoreError

from .accounts_seen import AccountsSeen
from .affordability import Funds, is_about_funds, refusal_error, shortened
from .authenticate import Caller
from .bounded import Bounded

# Once as asked, once after a stale key epoch, and twice shortened while the balance moves.
TRIES_MAX = 4
# How long an account that could not pay is refused from memory; a recharge is noticed after this at the latest.
BROKE_CACHE_S = 0.5
BROKE_ACCOUNTS_MAX = 10_000


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
        self, ledger: Ledger, renewal: CallerRenewal, seen: AccountsSeen, clock: Clock, in_flight_max: int
    ) -> None:
        self._ledger = ledger
        self._renewal = renewal
        self._seen = seen
        self._clock = clock
        self._in_flight_max = in_flight_max
        self._broke: Bounded[str, tuple[float, Account]] = Bounded(BROKE_ACCOUNTS_MAX)

    async def reserve(self, caller: Caller, wish: Wish) -> Reservation:
        """Raises InsufficientBalance, RateLimited, AccountSuspended, ApiKeyInvalid or LedgerUnavailable."""
        bound = self._bound_known_to_fail(caller, wish)
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
                raise LedgerUnavailable("The ledger cannot be reached; nothing was charged.", retry_after_s=1) from exc
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
            self._remember_broke(exc.image)
            return caller, self._shortened(exc.image, caller, wish, bound)
        if exc.refusal is Refusal.CONFLICT:
            return caller, bound
        raise refusal_error(exc) from exc

    def _shortened(self, image: Account, caller: Caller, wish: Wish, bound: CostBound) -> CostBound:
        funds = Funds.of(image, caller.api_key.key_id, caller.api_key.budget_nano is not None)
        return bound.with_output(shortened(bound, funds, wish.limit))

    def _bound_known_to_fail(self, caller: Caller, wish: Wish) -> CostBound:
        """The bound to start with; raises at once for an account that could not pay a moment ago."""
        known = self._broke.get(caller.account_id)
        if known is None or known[0] <= self._clock.now():
            return wish.bound
        image = known[1]
        funds = Funds.of(image, caller.api_key.key_id, caller.api_key.budget_nano is not None)
        if funds.available < wish.bound.hold_nano:
            self._shortened(image, caller, wish, wish.bound)
        return wish.bound

    def _remember_broke(self, image: Account) -> None:
        self._broke.put(image.account_id, (self._clock.now() + BROKE_CACHE_S, image))


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
