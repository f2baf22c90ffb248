"""Admission by rate limits: of API keys, accounts and IP addresses, of failed authentications, of the console.

The limits of an API key are exact: one conditional write per admission takes requests and tokens, or neither. All
others are lazy. The process counts what it admits and shares it together with an admission that brings the unshared
units over a twentieth of the limit or finds them 10 s old, or that finds the subject at half of its limit or above;
from there on every admission is an exact shared write. A single process is therefore exact, and P processes exceed a
limit by at most P x limit / 20 in all before each of them notices. A refusal loses nothing of what was collected: it
is shared, so that the other processes see it.

Refusals are remembered for a second and cost no I/O during it. The real use of a call is known only at its end:
`settle` carries the difference into this process's next take of the same subjects. When the store fails, the process
counts alone (fails open), leaves the store alone for a second, and reports each failure by name. `take_strict` is for
limits that must not fail open.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cachetools import LRUCache

from multiconnection.errors import RateLimited
from multiconnection.ledger.models import AccountLimits
from multiconnection.ports import Clock
from multiconnection.retry import StoreError

from .gcra import REQUESTS, SECOND_NS, TOKENS, Demand, LimitRefusal, Rate, refusal_of
from .store import LimitsTable
from .window import Bucket, LimitState, Window, tightest

SUBJECTS_MAX = 10_000
STORE_PAUSE_NS = SECOND_NS
# The advice when a take lost every attempt to other writers although it would fit by what is known now.
CROWDED_RETRY_S = 1.0
ONE_REQUEST: Mapping[str, int] = {REQUESTS: 1}
# Requests of one account's console pages per minute; its API calls have limits of their own.
CONSOLE_PER_MINUTE = 600
# Those among them that read up to fifty thousand rows, or a whole year.
HEAVY_PER_MINUTE = 60
_NO_LIMITS = AccountLimits()


@dataclass(frozen=True, slots=True)
class KeyRates:
    """An API key, its account, and the key's own limits per minute where it has any."""

    account_id: str
    key_id: str
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class DefaultRates:
    """The deployment's limits; an account can have others."""

    account_requests_per_minute: int
    account_tokens_per_minute: int
    ip_requests_per_minute: int
    ip_failed_auth_per_minute: int


class Limiter:
    """Counts in local windows and in the shared store; one per process."""

    def __init__(
        self, store: LimitsTable, clock: Clock, defaults: DefaultRates, on_error: Callable[[str], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_error = on_error
        self._account_rates = {
            REQUESTS: Rate(defaults.account_requests_per_minute),
            TOKENS: Rate(defaults.account_tokens_per_minute),
        }
        self._ip_rates = {REQUESTS: Rate(defaults.ip_requests_per_minute)}
        self._failed_auth_rates = {REQUESTS: Rate(defaults.ip_failed_auth_per_minute)}
        self._windows: LRUCache[str, Window] = LRUCache(SUBJECTS_MAX)
        self._paused_until_ns = 0

    async def take(
        self, subject: str, rates: Mapping[str, Rate], units: Mapping[str, int] = ONE_REQUEST
    ) -> LimitRefusal | None:
        """Count `units`, by attribute, of a lazily shared subject; a refusal counts nothing. Never raises."""
        window = self._window(subject, rates)
        return window.known_refusal(units, self._now_ns()) or await self._take(subject, window, units, lazy=True)

    async def take_strict(
        self, subject: str, rates: Mapping[str, Rate], units: Mapping[str, int] = ONE_REQUEST
    ) -> LimitRefusal | None:
        """Count `units` in one conditional write, from which a refusal comes as well; negative units are returned.

        Nothing is remembered in this process. Raises StoreError.
        """
        now_ns = self._now_ns()
        demands = {attribute: Demand(rate, units.get(attribute, 0)) for attribute, rate in rates.items()}
        result = await self._store.take(subject, now_ns, demands)
        if result.granted:
            return None
        return refusal_of(demands, result.tats, now_ns) or _crowded(rates)

    async def admit(self, key: KeyRates, tokens: int, account_limits: AccountLimits = _NO_LIMITS) -> LimitState:
        """Count one request and its estimated tokens. Raises RateLimited, in which case nothing is counted."""
        limits = self._call_limits(key, account_limits)
        windows = await self._admit(limits, {REQUESTS: 1, TOKENS: tokens})
        return self._state(limits, windows)

    def state(self, key: KeyRates, account_limits: AccountLimits = _NO_LIMITS) -> LimitState:
        """The caller's limits as far as this process knows; counts nothing."""
        limits = self._call_limits(key, account_limits)
        return self._state(limits, self._windows_of(limits))

    def settle(self, subjects: Iterable[str], estimated_tokens: int, actual_tokens: int) -> None:
        """Carry what a call really used into the next take of each subject."""
        for subject in subjects:
            if window := self._windows.get(subject):
                window.correct(TOKENS, estimated_tokens, actual_tokens, self._now_ns())

    async def admit_ip(self, ip: str) -> None:
        """Count one request of an address. Raises RateLimited."""
        await self._admit([self._ip_limit(ip)], ONE_REQUEST)

    def ip_state(self, ip: str) -> LimitState:
        """The limits in an unauthenticated answer: the address's requests, an account's default tokens."""
        limit, now_ns = self._ip_limit(ip), self._now_ns()
        tokens = Bucket.of(self._account_rates[TOKENS], 0, now_ns)
        return LimitState(self._window(limit.subject, limit.rates).bucket(REQUESTS, now_ns), tokens)

    def check_failed_auth(self, ip: str) -> None:
        """Raises RateLimited when the address has used up its failures, as far as this process knows; no I/O."""
        limit = self._failed_auth_limit(ip)
        if refusal := self._window(limit.subject, limit.rates).refusal(ONE_REQUEST, self._now_ns()):
            raise limit.error(refusal)

    async def note_failed_auth(self, ip: str) -> None:
        """Count one failure that cost a look-up; never raises."""
        limit = self._failed_auth_limit(ip)
        await self._take(limit.subject, self._window(limit.subject, limit.rates), ONE_REQUEST, lazy=True)

    def count_failed_auth(self, ip: str) -> None:
        """Count one failure that cost nothing, without I/O; it is shared with the next one that costs a look-up."""
        limit, now_ns = self._failed_auth_limit(ip), self._now_ns()
        window = self._window(limit.subject, limit.rates)
        if window.fits(ONE_REQUEST, now_ns):
            window.count(ONE_REQUEST, now_ns)

    @property
    def subjects_kept(self) -> int:
        """At most SUBJECTS_MAX; dropping the least recently used one loses less than limit / 20 unshared units."""
        return len(self._windows)

    def _call_limits(self, key: KeyRates, own: AccountLimits) -> "Sequence[_CallLimit]":
        """The limits of the key if it has any, then those of the account."""
        account_rates: Mapping[str, Rate] = self._account_rates
        if own.requests_per_minute or own.tokens_per_minute:
            account_rates = {**account_rates, **_rates(own.requests_per_minute or None, own.tokens_per_minute or None)}
        account = _CallLimit("account", f"acct:{key.account_id}", account_rates)
        if key.requests_per_minute is None and key.tokens_per_minute is None:
            return [account]
        key_rates = _rates(key.requests_per_minute, key.tokens_per_minute)
        return [_CallLimit("key", f"key:{key.account_id}:{key.key_id}", key_rates), account]

    def _ip_limit(self, ip: str) -> "_CallLimit":
        return _CallLimit("ip", f"ip:{ip}", self._ip_rates)

    def _failed_auth_limit(self, ip: str) -> "_CallLimit":
        return _CallLimit(_FAILED_AUTH, f"ipfail:{ip}", self._failed_auth_rates)

    async def _admit(self, limits: "Sequence[_CallLimit]", units: Mapping[str, int]) -> Sequence[Window]:
        """Take from all limits or from none; what is known to be refused costs no I/O."""
        windows, now_ns = self._windows_of(limits), self._now_ns()
        for limit, window in zip(limits, windows, strict=True):
            if refusal := window.known_refusal(units, now_ns):
                raise limit.error(refusal)
        for index, (limit, window) in enumerate(zip(limits, windows, strict=True)):
            if refusal := await self._take(limit.subject, window, units, lazy=limit.lazy):
                for taken in windows[:index]:
                    taken.give_back(units, self._now_ns())
                raise limit.error(refusal)
        return windows

    def _state(self, limits: "Sequence[_CallLimit]", windows: Sequence[Window]) -> LimitState:
        now_ns = self._now_ns()
        requests = [window.bucket(REQUESTS, now_ns) for window in windows if REQUESTS in window.rates]
        tokens = [window.bucket(TOKENS, now_ns) for window in windows if TOKENS in window.rates]
        return LimitState(tightest(requests), tightest(tokens), tuple(limit.subject for limit in limits))

    def _windows_of(self, limits: "Sequence[_CallLimit]") -> list[Window]:
        return [self._window(limit.subject, limit.rates) for limit in limits]

    async def _take(self, subject: str, window: Window, units: Mapping[str, int], *, lazy: bool) -> LimitRefusal | None:
        """Count here, share or ask, as the module's docstring says."""
        now_ns = self._now_ns()
        if now_ns < self._paused_until_ns:
            return self._count_alone(window, units, now_ns)
        if lazy and window.may_wait(units, now_ns):
            window.count(units, now_ns)
            return None
        try:
            return await self._share(subject, window, units, now_ns)
        except StoreError as exc:
            self._paused_until_ns = now_ns + STORE_PAUSE_NS
            self._on_error(type(exc).__name__)
            return self._count_alone(window, units, now_ns)

    def _count_alone(self, window: Window, units: Mapping[str, int], now_ns: int) -> LimitRefusal | None:
        if not window.fits(units, now_ns):
            return _refusal(window, units, now_ns)
        window.count(units, now_ns)
        return None

    async def _share(self, subject: str, window: Window, units: Mapping[str, int], now_ns: int) -> LimitRefusal | None:
        """One exact take; after a refusal, what was admitted here before is shared on its own."""
        if await self._written(subject, window, units, now_ns):
            return None
        if window.has_unshared_units:
            await self._written(subject, window, {}, now_ns)
        return _refusal(window, units, now_ns)

    async def _written(self, subject: str, window: Window, units: Mapping[str, int], now_ns: int) -> bool:
        """Ask the store for everything unshared and these units together; True if granted. Raises StoreError."""
        pending = window.begin(units, now_ns)
        try:
            result = await self._store.take(subject, now_ns, pending.demands, pending.hint)
        except BaseException:
            # Cancelled calls, too, must not leave a take in flight.
            window.rollback(pending)
            raise
        window.commit(pending, result)
        return result.granted

    def _window(self, subject: str, rates: Mapping[str, Rate]) -> Window:
        window = self._windows.get(subject)
        if window is None:
            window = self._windows[subject] = Window()
        window.rates = rates
        return window

    def _now_ns(self) -> int:
        return int(self._clock.now() * SECOND_NS)


class ConsoleQuota:
    """Limits the requests of one account's console pages; open while the store fails."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    async def admit(self, account_id: str) -> None:
        """Raises RateLimited."""
        _require(await self._limiter.take(f"console:{account_id}", _CONSOLE_RATES))

    async def admit_heavy(self, account_id: str) -> None:
        """Raises RateLimited."""
        _require(await self._limiter.take(f"console-heavy:{account_id}", _HEAVY_RATES))


@dataclass(frozen=True, slots=True)
class _CallLimit:
    """One limit that a request has to pass; `scope` is its name in errors."""

    scope: str
    subject: str
    rates: Mapping[str, Rate]

    @property
    def lazy(self) -> bool:
        return self.scope != "key"

    def error(self, refusal: LimitRefusal) -> RateLimited:
        quantity = _QUANTITY[refusal.attribute]
        units = "failed authentications" if self.scope == _FAILED_AUTH else quantity
        limit = f"{refusal.rate.limit} {units} per minute"
        advice = (
            "This request alone is larger than that; make it smaller."
            if refusal.never
            else f"Please try again in {max(refusal.retry_after_s, 0.001):.3f} s."
        )
        error = RateLimited(
            f"Rate limit reached for {_OWNER[self.scope]}: {limit}. {advice}",
            reason="ip_failed_auth" if self.scope == _FAILED_AUTH else f"{self.scope}_{quantity}",
            retry_after_s=refusal.retry_after_s,
            limit_type=quantity,
        )
        error.retryable = False if refusal.never else None
        return error


_FAILED_AUTH = "failed_auth"
_QUANTITY = {REQUESTS: "requests", TOKENS: "tokens"}
_OWNER = {"key": "this API key", "account": "this account", "ip": "your IP address", _FAILED_AUTH: "your IP address"}
_CONSOLE_RATES = {REQUESTS: Rate(CONSOLE_PER_MINUTE)}
_HEAVY_RATES = {REQUESTS: Rate(HEAVY_PER_MINUTE)}


@lru_cache(1024)
def _rates(requests_per_minute: int | None, tokens_per_minute: int | None) -> Mapping[str, Rate]:
    """Rates per minute by attribute; cached, because every call asks for those of its key twice."""
    limits = {REQUESTS: requests_per_minute, TOKENS: tokens_per_minute}
    return {attribute: Rate(limit) for attribute, limit in limits.items() if limit is not None}


def _refusal(window: Window, units: Mapping[str, int], now_ns: int) -> LimitRefusal:
    return window.refusal(units, now_ns) or _crowded(window.rates)


def _crowded(rates: Mapping[str, Rate]) -> LimitRefusal:
    attribute, rate = next(iter(rates.items()))
    return LimitRefusal(attribute, rate, CROWDED_RETRY_S)


def _require(refusal: LimitRefusal | None) -> None:
    """Raises RateLimited for a refused request of the console."""
    if refusal is None:
        return
    wait_s = refusal.retry_after_s or 1.0
    raise RateLimited(
        f"Too many requests of this account's console. Please try again in {wait_s:.3f} s.",
        reason="console_requests",
        retry_after_s=wait_s,
    )
