"""Limits on guessing: passwords, codes and mails, per network address and per person.

A person is counted in each network separately, so that a stranger elsewhere locks no one out, and over all networks
together with more room, so that many networks guess no faster than a few. Renewals of sessions are counted as well,
because a forged one costs a request to the identity provider.

Each attempt is one exact conditional write per subject before it is made, so concurrent guesses in several processes
cannot exceed a quota; a right guess is given back. Without the store no attempt is possible: an attacker could switch
off a limit that fails open under load.
"""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Literal

from multiconnection.errors import IdentityUnavailable, RateLimited
from multiconnection.limits.gcra import REQUESTS, SECOND_NS, LimitRefusal, Rate
from multiconnection.limits.limiter import Limiter
from multiconnection.retry import StoreError

from .models import IdentityRefused

Kind = Literal["sign_in", "code", "mail"]
_QUARTER_S = 900
# The limits table keeps an idle subject for an hour; a longer window would be forgotten too early.
_HOUR_S = 3600
_NAMES = {
    "sign_in": "attempts to sign in",
    "code": "attempts to enter a code",
    "mail": "requests for a code",
    "renewal": "requests with sessions that have ended",
}


class AlreadyUsed(Exception):
    """It was good for one use and has been used."""


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
    def renewals(self) -> Rate:
        return _per(_QUARTER_S, self.ip_renewals)

    def of(self, kind: Kind) -> tuple[Rate, Rate, Rate]:
        """The rates of a network, of a person in it, and of a person in all networks."""
        if kind == "mail":
            everywhere = self.email_mails * self.mails_everywhere
            return _per(_HOUR_S, self.ip_mails), _per(_HOUR_S, self.email_mails), _per(_HOUR_S, everywhere)
        everywhere = self.email_attempts * self.attempts_everywhere
        return _per(_QUARTER_S, self.ip_attempts), _per(_QUARTER_S, self.email_attempts), _per(_QUARTER_S, everywhere)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was admitted, and the subjects it was counted on."""

    subjects: tuple[tuple[str, Rate], ...]


class AttemptLimits:
    """One conditional write per subject and attempt, shared by all processes through the limits table."""

    def __init__(self, limiter: Limiter, quotas: AttemptQuotas) -> None:
        self._limiter = limiter
        self._quotas = quotas

    async def admit(self, kind: Kind, ip: str, person: str) -> Attempt:
        """`person` is an e-mail address or a user id. Raises RateLimited or IdentityUnavailable."""
        per_ip, per_person, everywhere = self._quotas.of(kind)
        network, hidden = _network(ip), _hidden(person)
        return await self._admit(
            kind,
            (f"{kind}:ip:{network}", per_ip),
            (f"{kind}:who:{hidden}:{network}", per_person),
            (f"{kind}:who:{hidden}", everywhere),
        )

    async def admit_renewal(self, ip: str) -> Attempt:
        """Counts the address only: the person is not known yet. Raises RateLimited or IdentityUnavailable."""
        return await self._admit("renewal", (f"renewal:ip:{_network(ip)}", self._quotas.renewals))

    async def admit_network(self, kind: Kind, ip: str) -> Attempt:
        """Admits an attempt that names no person. Raises RateLimited or IdentityUnavailable."""
        per_ip, _, _ = self._quotas.of(kind)
        return await self._admit(kind, (f"{kind}:ip:{_network(ip)}", per_ip))

    @contextlib.asynccontextmanager
    async def once(self, name: str, life_s: int) -> AsyncIterator[None]:
        """Wraps the only use of something that lives `life_s`; the provider's refusals and outages do not count.

        The use is written before it happens, so one of several concurrent ones succeeds. Raises AlreadyUsed or
        IdentityUnavailable.
        """
        subject, rate = f"once:{name}", Rate(1, life_s * SECOND_NS)
        if await self._take(subject, rate, 1) is not None:
            raise AlreadyUsed(name)
        try:
            yield
        except (IdentityRefused, IdentityUnavailable):
            await self.give_back(Attempt(((subject, rate),)))
            raise

    @contextlib.asynccontextmanager
    async def settled(self, attempt: Attempt) -> AsyncIterator[None]:
        """Wraps a request to the provider and gives the attempt back unless the provider refuses it."""
        try:
            yield
        except IdentityUnavailable:
            await self.give_back(attempt)
            raise
        await self.give_back(attempt)

    async def give_back(self, attempt: Attempt) -> None:
        """Never raises; an attempt that cannot be given back returns with time."""
        for subject, rate in attempt.subjects:
            with contextlib.suppress(IdentityUnavailable):
                await self._take(subject, rate, -1)

    async def _admit(self, kind: str, *subjects: tuple[str, Rate]) -> Attempt:
        for subject, rate in subjects:
            if refusal := await self._take(subject, rate, 1):
                wait_s = max(1.0, refusal.retry_after_s)
                raise RateLimited(
                    f"Too many {_NAMES[kind]}. Please try again in {wait_s:.0f} s.",
                    reason=f"{kind}_attempts",
                    retry_after_s=wait_s,
                )
        return Attempt(subjects)

    async def _take(self, subject: str, rate: Rate, units: int) -> LimitRefusal | None:
        try:
            return await self._limiter.take_strict(subject, {REQUESTS: rate}, {REQUESTS: units})
        except StoreError as exc:
            raise IdentityUnavailable("Attempts cannot be counted, please try again.", retry_after_s=1) from exc


def _per(window_s: int, attempts: int) -> Rate:
    return Rate(attempts, window_s * SECOND_NS)


def _network(ip: str) -> str:
    """The /64 of an IPv6 address, which a household or a server has as a whole; any other address as it is."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)


def _hidden(person: str) -> str:
    """A hash, so that the limits table holds no e-mail address."""
    return hashlib.sha256(person.strip().lower().encode()).hexdigest()[:32]
