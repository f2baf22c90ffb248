"""From a cost bound to a hold: one write in the usual case, a few more when balance or key changed meanwhile."""

from dataclasses import dataclass
from typing import Protocol

from multiconnection.domain.bounds import CostBound
from multiconnection.domain.catalog import Model
from multiconnection.domain.errors import LedgerUnavailable
from multiconnection.domain.holds import Hold
from multiconnection.domain.ports import Clock
from multiconnection.ledger.accounts import ACTIVE, Account
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.reserve import Refusal, ReserveRefused
from multiconnection.ledger.store import StoreError

from .accounts_seen import AccountsSeen
from .affordability import Funds, is_about_funds, refusal_error, shortened
from .authenticate import Caller
from .bounded import Bounded

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
        self, ledger: Ledger, renewal: CallerRenewal, seen: AccountsSeen, clock: Clock, in_flight_max: int
    ) -> None:
        self._ledger = ledger
        self._renewal = renewal
        self._seen = seen
        self._clock = clock
        self._in_flight_max = in_flight_max
        self._short: Bounded[str, tuple[float, Account]] = Bounded(SHORT_ACCOUNTS_MAX)

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
        if known is None or known[0] <= self._clock.now() or _affords(known[1], caller, wish.bound):
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
        self._short.put(image.account_id, (self._clock.now() + SHORT_OF_FUNDS_S, image))


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
