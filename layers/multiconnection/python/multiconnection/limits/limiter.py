"""Requests and tokens per minute: of a key, of an account, of an IP address; and failed keys of an IP address.

A key's own limits are exact: one conditional write per admission takes both quantities or none. The limits of
accounts and IP addresses are lazy. What this process admitted is collected in a local window and shared in the same
call that brings the unshared units over limit/20 or finds them 10 s old, or whenever the known shared position,
local units included, reaches half of the limit; from there on every admission is an exact shared write. So one
process alone is exact, and P processes pass the limit by at most P x limit/20 in all before each of them notices.
What was collected is never lost in a refusal: it is booked, so that the other processes see it.

Refusals are remembered for a second, and cost no I/O in it. A call's real use is only known at its end: `settle`
carries the difference into this process's next take of the same subject. When the store fails, the process counts
alone (fails open), leaves the store in peace for a second, and reports each failure by name.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from multiconnection.bounded import Bounded
from multiconnection.errors import RateLimited
from multiconnection.keys.models import ApiKey
from multiconnection.ledger.models import AccountLimits
from multiconnection.ports import Clock
from multiconnection.retry import StoreError

from .gcra import REQUESTS, TOKENS, LimitStore, Rate
from .window import Bucket, LimitState, Refusal, Window, tightest

SUBJECTS_MAX = 10_000
STORE_PAUSE_NS = 10**9
# Told when a take lost every attempt to others although what is known now would let it in.
CROWDED_RETRY_S = 1.0
_NO_LIMITS = AccountLimits()


# Who is limited on a caller's way in, by how much, and what a refusal says.


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


class Limiter:
    """Counts in the local windows and in the shared store; one per process."""

    def __init__(
        self, store: LimitStore, clock: Clock, defaults: LimitDefaults, on_error: Callable[[str], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._defaults = defaults
        self._on_error = on_error
        self._windows: Bounded[str, Window] = Bounded(SUBJECTS_MAX)
        self._paused_until_ns = 0

    async def admit(self, api_key: ApiKey, tokens: int, account_limits: AccountLimits = _NO_LIMITS) -> LimitState:
        """Count one request and its estimated tokens; raises RateLimited, and then nothing is counted."""
        gates = gates_of(api_key, account_limits, self._defaults)
        units = {REQUESTS: 1, TOKENS: tokens}
        for gate in gates:
            self._refuse_what_is_known(gate, units)
        for index, gate in enumerate(gates):
            if refusal := await self._take(gate, units):
                self._give_back(gates[:index], units)
                raise gate.error(refusal)
        return self._state(gates)

    def state(self, api_key: ApiKey, account_limits: AccountLimits = _NO_LIMITS) -> LimitState:
        """As far as this process knows; counts nothing."""
        return self._state(gates_of(api_key, account_limits, self._defaults))

    def settle(self, subjects: Iterable[str], estimated_tokens: int, actual_tokens: int) -> None:
        """Carry what a call really used into the next take of each subject."""
        for subject in subjects:
            if window := self._windows.get(subject):
                window.correct(TOKENS, estimated_tokens, actual_tokens, self._now_ns())

    async def admit_ip(self, ip: str) -> None:
        """Count one request of an address; raises RateLimited."""
        gate = ip_gate(ip, self._defaults)
        self._refuse_what_is_known(gate, {REQUESTS: 1})
        if refusal := await self._take(gate, {REQUESTS: 1}):
            raise gate.error(refusal)

    def ip_state(self, ip: str) -> LimitState:
        """What an unauthenticated answer can tell: the address's requests, an account's default tokens."""
        gate, now_ns = ip_gate(ip, self._defaults), self._now_ns()
        tokens = Bucket.of(Rate(self._defaults.account_tokens_per_minute), 0, now_ns)
        return LimitState(self._window(gate).bucket(REQUESTS, now_ns), tokens)

    def check_failed_auth(self, ip: str) -> None:
        """Raises RateLimited when the address has used up its failures, as far as this process knows; no I/O."""
        gate = failed_auth_gate(ip, self._defaults)
        if refusal := self._window(gate).refusal({REQUESTS: 1}, self._now_ns()):
            raise gate.error(refusal)

    async def note_failed_auth(self, ip: str) -> None:
        """Count one failure that cost a look-up; never raises."""
        await self._take(failed_auth_gate(ip, self._defaults), {REQUESTS: 1})

    def count_failed_auth(self, ip: str) -> None:
        """Count one failure that cost nothing, without I/O; it is shared with the next one that does."""
        window = self._window(failed_auth_gate(ip, self._defaults))
        if window.fits({REQUESTS: 1}, self._now_ns()):
            window.count({REQUESTS: 1}, self._now_ns())

    @property
    def subjects_kept(self) -> int:
        """At most SUBJECTS_MAX: the stalest is forgotten, and with it less than limit/20 unshared units."""
        return len(self._windows)

    def _now_ns(self) -> int:
        return int(self._clock.now() * 10**9)

    def _window(self, gate: Gate) -> Window:
        window = self._windows.get(gate.subject)
        if window is None:
            window = Window()
            self._windows.put(gate.subject, window)
        window.rates = gate.rates
        return window

    def _state(self, gates: Sequence[Gate]) -> LimitState:
        now_ns = self._now_ns()
        buckets = {
            attribute: [self._window(gate).bucket(attribute, now_ns) for gate in gates if attribute in gate.rates]
            for attribute in (REQUESTS, TOKENS)
        }
        subjects = tuple(gate.subject for gate in gates)
        return LimitState(tightest(buckets[REQUESTS]), tightest(buckets[TOKENS]), subjects)

    def _refuse_what_is_known(self, gate: Gate, units: Mapping[str, int]) -> None:
        if refusal := self._window(gate).known_refusal(units, self._now_ns()):
            raise gate.error(refusal)

    def _give_back(self, gates: Sequence[Gate], units: Mapping[str, int]) -> None:
        for gate in gates:
            for attribute in gate.rates:
                self._window(gate).correct(attribute, units[attribute], 0, self._now_ns())

    async def _take(self, gate: Gate, units: Mapping[str, int]) -> Refusal | None:
        window, now_ns = self._window(gate), self._now_ns()
        if now_ns < self._paused_until_ns:
            return self._count_alone(window, units, now_ns)
        if gate.lazy and window.may_wait(units, now_ns):
            window.count(units, now_ns)
            return None
        try:
            return await self._share(gate.subject, window, units, now_ns)
        except StoreError as exc:
            self._paused_until_ns = now_ns + STORE_PAUSE_NS
            self._on_error(type(exc).__name__)
            return self._count_alone(window, units, now_ns)

    def _count_alone(self, window: Window, units: Mapping[str, int], now_ns: int) -> Refusal | None:
        if not window.fits(units, now_ns):
            return _told(window, units, now_ns)
        window.count(units, now_ns)
        return None

    async def _share(self, subject: str, window: Window, units: Mapping[str, int], now_ns: int) -> Refusal | None:
        """One exact take; after a refusal, what was admitted here before is booked on its own."""
        if await self._fly(subject, window, units, now_ns):
            return None
        if window.owes():
            await self._fly(subject, window, {}, now_ns)
        return _told(window, units, now_ns)

    async def _fly(self, subject: str, window: Window, units: Mapping[str, int], now_ns: int) -> bool:
        flight = window.depart(units, now_ns)
        landed = False
        try:
            result = await self._store.take(subject, now_ns, flight.demands, flight.hint)
            window.land(flight, result)
            landed = True
        finally:
            if not landed:
                window.fail(flight)
        return result.granted


def _told(window: Window, units: Mapping[str, int], now_ns: int) -> Refusal:
    return window.refusal(units, now_ns) or Refusal(REQUESTS, CROWDED_RETRY_S)


FAILED_AUTH = "failed_auth"
_QUANTITY = {REQUESTS: "requests", TOKENS: "tokens"}
_OWNER = {"key": "this API key", "account": "this account", "ip": "your IP address", FAILED_AUTH: "your IP address"}


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


# How often one account's pages may ask: counted apart from its API calls, which have limits of their own.

REQUESTS_PER_MINUTE = 600
# Those that read up to fifty thousand rows, or all of a year.
HEAVY_PER_MINUTE = 60


@dataclass(frozen=True, slots=True)
class _Rates:
    """The limiter's rate for one subject; it asks for the others and never uses them here."""

    ip_requests_per_minute: int
    ip_failed_auth_per_minute: int = 1
    account_requests_per_minute: int = 1
    account_tokens_per_minute: int = 1


class ConsoleQuota:
    """Lazy far below the limit, exact near it, as the limiter's other subjects are; open while the store fails."""

    def __init__(self, store: LimitStore, clock: Clock, on_error: Callable[[str], None]) -> None:
        self._light = Limiter(store, clock, _Rates(REQUESTS_PER_MINUTE), on_error)
        self._heavy = Limiter(store, clock, _Rates(HEAVY_PER_MINUTE), on_error)

    async def admit(self, account_id: str) -> None:
        """Raises RateLimited."""
        await _count(self._light, f"console:{account_id}")

    async def admit_heavy(self, account_id: str) -> None:
        """Raises RateLimited."""
        await _count(self._heavy, f"console-heavy:{account_id}")


async def _count(limiter: Limiter, subject: str) -> None:
    try:
        await limiter.admit_ip(subject)
    except RateLimited as exc:
        wait_s = exc.retry_after_s or 1.0
        raise RateLimited(
            f"Too many requests of this account's console. Please try again in {wait_s:.3f} s.",
            reason="console_requests",
            retry_after_s=wait_s,
        ) from exc
