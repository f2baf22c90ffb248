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

from multiconnection.domain.api_keys import ApiKey
from multiconnection.domain.limits import Rate
from multiconnection.domain.ports import Clock
from multiconnection.ledger.accounts import AccountLimits
from multiconnection.ledger.store import StoreError

from .bounded import Bounded
from .limit_gates import Gate, LimitDefaults, failed_auth_gate, gates_of, ip_gate
from .limit_state import Bucket, LimitState, tightest
from .limit_store import REQUESTS, TOKENS, LimitStore
from .limit_window import Refusal, Window

SUBJECTS_MAX = 10_000
STORE_PAUSE_NS = 10**9
# Told when a take lost every attempt to others although what is known now would let it in.
CROWDED_RETRY_S = 1.0
_NO_LIMITS = AccountLimits()


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
