"""How often somebody may try: passwords, codes and mails, per address of the network and per e-mail address.

A person is counted in each network apart, so that a stranger elsewhere locks nobody out, and over all networks together
with more room, so that many networks guess no faster than a few.
Renewals of sessions are counted too: a forged one costs a question to the identity provider.
Every attempt is one exact conditional write per subject before it is made, so concurrent guesses in several processes
cannot pass a quota; a right guess is given back. Without the store nobody may try: a limit that fails open under load
is a limit that an attacker can switch off.
"""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Literal

from multiconnection.errors import IdentityUnavailable, RateLimited
from multiconnection.limits.gcra import REQUESTS, Demand, LimitStore, Rate, Shift, arrival
from multiconnection.ports import Clock
from multiconnection.retry import StoreError

from .models import IdentityRefused

Kind = Literal["sign_in", "code", "mail"]
_QUARTER_S = 900
# The limits table keeps an idle subject for an hour; a longer window would be forgotten on the way.
_HOUR_S = 3600
_UNUSED_RATE = Rate(1)
_WHAT = {
    "sign_in": "attempts to sign in",
    "code": "attempts to enter a code",
    "mail": "requests for a code",
    "renewal": "requests with sessions that have ended",
}


class AlreadyUsed(Exception):
    """It was good for one use, and that has been made."""


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `attempts` in any `window_s` seconds; they come back one by one, evenly."""

    attempts: int
    window_s: int

    @property
    def interval_ns(self) -> int:
        return self.window_s * 10**9 // self.attempts


@dataclass(frozen=True, slots=True)
class AttemptQuotas:
    """`ip_*` of one network address, `email_*` of one person there; mails per hour, all others per 15 minutes.

    `*_everywhere` is how many times `email_*` one person has from all networks together.
    """

    ip_attempts: int = 60
    email_attempts: int = 10
    ip_mails: int = 30
    email_mails: int = 6
    attempts_everywhere: int = 5
    mails_everywhere: int = 2
    # An office's browsers come back from a weekend at once, each page with several requests.
    ip_renewals: int = 300

    @property
    def renewals(self) -> Quota:
        return Quota(self.ip_renewals, _QUARTER_S)

    def of(self, kind: Kind) -> tuple[Quota, Quota, Quota]:
        """Of a network, of a person there, of a person from everywhere."""
        if kind == "mail":
            return _quotas(self.ip_mails, self.email_mails, self.mails_everywhere, _HOUR_S)
        return _quotas(self.ip_attempts, self.email_attempts, self.attempts_everywhere, _QUARTER_S)


@dataclass(frozen=True, slots=True)
class _WindowDemand(Demand):
    """GCRA over a window other than a minute."""

    quota: Quota = Quota(1, _QUARTER_S)

    def shift(self, now_ns: int) -> Shift:
        return self.pending.then(arrival(now_ns, self.units * self.quota.interval_ns))

    def ceiling_ns(self, now_ns: int) -> int | None:
        return now_ns + self.quota.window_s * 10**9 if self.units > 0 else None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One that was let in; `subjects` are what it was counted on."""

    subjects: tuple[tuple[str, Quota], ...]


class Attempts:
    """One conditional write per subject and attempt; shared by all processes through the limits table."""

    def __init__(self, store: LimitStore, clock: Clock, quotas: AttemptQuotas) -> None:
        self._store = store
        self._clock = clock
        self._quotas = quotas

    async def admit(self, kind: Kind, ip: str, person: str) -> Attempt:
        """`person` is an e-mail address or a user id. Raises RateLimited or IdentityUnavailable."""
        of_ip, of_person, of_everywhere = self._quotas.of(kind)
        network, who = _network(ip), _hidden(person)
        return await self._admitted(
            kind,
            (f"{kind}:ip:{network}", of_ip),
            (f"{kind}:who:{who}:{network}", of_person),
            (f"{kind}:who:{who}", of_everywhere),
        )

    async def admit_renewal(self, ip: str) -> Attempt:
        """Nobody is known yet, so only the address is counted. Raises RateLimited or IdentityUnavailable."""
        return await self._admitted("renewal", (f"renewal:ip:{_network(ip)}", self._quotas.renewals))

    async def admit_network(self, kind: Kind, ip: str) -> Attempt:
        """For what names nobody. Raises RateLimited or IdentityUnavailable."""
        of_ip, _, _ = self._quotas.of(kind)
        return await self._admitted(kind, (f"{kind}:ip:{_network(ip)}", of_ip))

    @contextlib.asynccontextmanager
    async def once(self, name: str, life_s: int) -> AsyncIterator[None]:
        """Around the use of something that is good for one use within `life_s`; a refusal or an outage is none.

        The use is written before it happens, so of several at once one goes on. Raises AlreadyUsed or
        IdentityUnavailable.
        """
        use = Attempt(((f"once:{name}", Quota(1, life_s)),))
        ((subject, quota),) = use.subjects
        if await self._take(subject, quota, 1, self._now_ns()) is not None:
            raise AlreadyUsed(name)
        try:
            yield
        except (IdentityRefused, IdentityUnavailable):
            await self.give_back(use)
            raise

    @contextlib.asynccontextmanager
    async def settled(self, attempt: Attempt) -> AsyncIterator[None]:
        """Around the question to the provider: only its refusals use a quota up, not a yes and not its outage."""
        try:
            yield
        except IdentityUnavailable:
            await self.give_back(attempt)
            raise
        await self.give_back(attempt)

    async def give_back(self, attempt: Attempt) -> None:
        """Never raises; what is not given back comes back with time."""
        now_ns = self._now_ns()
        for subject, quota in attempt.subjects:
            with contextlib.suppress(IdentityUnavailable):
                await self._take(subject, quota, -1, now_ns)

    async def _admitted(self, kind: str, *subjects: tuple[str, Quota]) -> Attempt:
        for subject, quota in subjects:
            await self._count(kind, subject, quota)
        return Attempt(subjects)

    async def _count(self, kind: str, subject: str, quota: Quota) -> None:
        now_ns = self._now_ns()
        refused_at_ns = await self._take(subject, quota, 1, now_ns)
        if refused_at_ns is None:
            return
        wait_s = max(1.0, (refused_at_ns + quota.interval_ns - quota.window_s * 10**9 - now_ns) / 10**9)
        raise RateLimited(
            f"Too many {_WHAT[kind]}. Please try again in {wait_s:.0f} s.",
            reason=f"{kind}_attempts",
            retry_after_s=wait_s,
        )

    async def _take(self, subject: str, quota: Quota, units: int, now_ns: int) -> int | None:
        """The theoretical arrival time that refused, or None."""
        demand = _WindowDemand(_UNUSED_RATE, units, quota=quota)
        try:
            result = await self._store.take(subject, now_ns, {REQUESTS: demand})
        except StoreError as exc:
            raise IdentityUnavailable("Attempts cannot be counted, please try again.", retry_after_s=1) from exc
        return None if result.granted else result.tats.get(REQUESTS, now_ns)

    def _now_ns(self) -> int:
        return int(self._clock.now() * 10**9)


def _quotas(of_ip: int, of_person: int, everywhere: int, window_s: int) -> tuple[Quota, Quota, Quota]:
    return Quota(of_ip, window_s), Quota(of_person, window_s), Quota(of_person * everywhere, window_s)


def _network(ip: str) -> str:
    """A household or a server has a whole /64 of IPv6."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)


def _hidden(person: str) -> str:
    """No e-mail address stands in the limits table."""
    return hashlib.sha256(person.strip().lower().encode()).hexdigest()[:32]
