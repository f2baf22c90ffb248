"""The first sign-in: an account, its profile and the test credit, each exactly once, whatever is repeated or lost."""

import contextlib
import hashlib
import unicodedata
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Annotated, Literal, Protocol

from pydantic import Field

from multiconnection.identity.models import IdentityProvider, Session
from multiconnection.identity.schemas import AuthBody, Name
from multiconnection.identity.sessions import Access
from multiconnection.keys.models import API, ApiKey
from multiconnection.ledger.credit import CreditRefused
from multiconnection.ledger.models import Account, AccountLimits, CreditRow, UsageRow
from multiconnection.ledger.store import AccountRefused
from multiconnection.ports import Clock, Rng
from multiconnection.retry import OutcomeUnknown, Retry, unavailable_as


class AccountBody(AuthBody):
    name: Annotated[Name, Field(min_length=1)]


TEST_CREDIT_ID = "test-credit"
ATTEMPTS_MAX = 4
# A day's slots of one network are kept beyond the day, so that no clock of ours finds them gone too soon.
SLOTS_KEPT_S = 2 * 86400
# One household or server has a whole /48 or /56 of IPv6; of IPv4 a provider assigns neighbours.
_IPV4_PREFIX, _IPV6_PREFIX = 24, 48
_NO_LIMITS = AccountLimits()
CreditMode = Literal["automatic", "approval", "off"]
# Why an account has no test credit. The first two can be granted by an administrator.
Withheld = Literal["awaiting_approval", "network_limit", "mailbox_used"]
AWAITED: tuple[Withheld, ...] = ("awaiting_approval", "network_limit")
_CANNOT_BE_OPENED = "Your account cannot be opened right now, please try again."
_CANNOT_BE_READ = "Your account cannot be read right now, please try again."


@dataclass(frozen=True, slots=True)
class CreditTerms:
    """What a new account is granted, in which way, and how many accounts of one network are in a day (UTC)."""

    nano: int
    mode: CreditMode = "automatic"
    per_network: int = 5

    @property
    def is_offered(self) -> bool:
        return self.nano > 0 and self.mode != "off"


def granted_row(account_id: str, nano: int, actor: str, now_s: float) -> CreditRow:
    """Under its fixed id: the ledger takes it once, whoever grants it."""
    return CreditRow(account_id, TEST_CREDIT_ID, nano, "grant", "Test credit", actor, int(now_s * 1000))


class AccountBooks(Protocol):
    """The part of `Ledger` that opens accounts."""

    async def create_account(self, account_id: str, name: str, limits: AccountLimits) -> Account:
        """Raises AccountRefused when the id is taken, or StoreError."""

    async def credit(self, row: CreditRow) -> CreditRow:
        """Once for each credit id. Raises CreditRefused or StoreError."""


class AccountReader(Protocol):
    async def account(self, account_id: str) -> Account | None: ...
    async def credit_row(self, account_id: str, credit_id: str) -> CreditRow | None: ...


class ProfileStore(Protocol):
    async def remember(self, account_id: str, email: str, name: str) -> None:
        """Keep what the operator's lists show of a person; changes nothing where it is known. Raises StoreError."""

    async def claim(self, mailbox: str, account_id: str) -> bool:
        """Whether this account is the first one of the mailbox to ask, however often it asks. Raises StoreError."""

    async def withhold(self, account_id: str, why: Withheld | None) -> None:
        """Keep why an account has no test credit; None where it has. Raises StoreError."""

    async def withheld(self, account_id: str) -> Withheld | None:
        """Raises StoreError."""


class GrantSlots(Protocol):
    async def slot(self, subject: str, member: str, most: int, expires_s: int) -> bool:
        """Whether `member` is among the first `most` that asked, however often it asks. Raises StoreError."""


class Onboarding:
    """Runs at every sign-in: what an earlier one left undone is done now."""

    def __init__(
        self,
        books: AccountBooks,
        reader: AccountReader,
        profiles: ProfileStore,
        slots: GrantSlots,
        clock: Clock,
        rng: Rng,
        terms: CreditTerms,
    ) -> None:
        self._books = books
        self._reader = reader
        self._profiles = profiles
        self._slots = slots
        self._clock = clock
        self._retry = Retry(rng)
        self._terms = terms

    async def ensure(self, session: Session, ip: str) -> Account:
        """The account's image, credit included. Raises LedgerUnavailable."""
        with unavailable_as(_CANNOT_BE_OPENED):
            return await self._ensure(session, ip)

    async def withheld(self, account_id: str) -> Withheld | None:
        """Why the account has no test credit, while one is offered. Raises LedgerUnavailable."""
        if not self._terms.is_offered:
            return None
        with unavailable_as(_CANNOT_BE_OPENED):
            return await self._retry(lambda: self._profiles.withheld(account_id), ATTEMPTS_MAX)

    async def remember(self, session: Session, name: str) -> None:
        """Raises LedgerUnavailable."""
        with unavailable_as(_CANNOT_BE_OPENED):
            await self._remember(session, name)

    async def _ensure(self, session: Session, ip: str) -> Account:
        account = await self._opened(session)
        await self._remember(session, session.name)
        if await self._granted(account, session.email, ip):
            account = await self._read(session.account_id)
        return account

    async def _opened(self, session: Session) -> Account:
        account_id = session.account_id
        try:
            return await self._retry(
                lambda: self._books.create_account(account_id, session.name, _NO_LIMITS), ATTEMPTS_MAX
            )
        except AccountRefused as exc:
            return exc.image or await self._read(account_id)

    async def _remember(self, session: Session, name: str) -> None:
        await self._retry(lambda: self._profiles.remember(session.account_id, session.email, name), ATTEMPTS_MAX)

    async def _granted(self, account: Account, email: str, ip: str) -> bool:
        """Whether the books changed. The fixed id makes the ledger refuse a second grant, whoever asks, whenever.

        One mailbox is granted one: its claim is written first and names the account, so that a crash in between heals.
        The same holds for the network's slot of the day.
        """
        account_id = account.account_id
        if not self._terms.is_offered or await self._known_credit(account_id):
            return False
        why = await self._why_not(account_id, email, ip)
        if why is None:
            # Granted a moment ago by a process with another setting, or by an administrator: that one stands.
            with contextlib.suppress(CreditRefused):
                await self._books.credit(granted_row(account_id, self._terms.nano, "system", self._clock.now()))
        await self._retry(lambda: self._profiles.withhold(account_id, why), ATTEMPTS_MAX)
        return why is None

    async def _why_not(self, account_id: str, email: str, ip: str) -> Withheld | None:
        if not await self._retry(lambda: self._profiles.claim(mailbox_of(email), account_id), ATTEMPTS_MAX):
            return "mailbox_used"
        if self._terms.mode == "approval":
            return "awaiting_approval"
        return None if await self._slot(account_id, ip) else "network_limit"

    async def _slot(self, account_id: str, ip: str) -> bool:
        now_s = int(self._clock.now())
        subject, most = f"credit:{_network(ip)}:{now_s // 86400}", self._terms.per_network
        return await self._retry(
            lambda: self._slots.slot(subject, account_id, most, now_s + SLOTS_KEPT_S), ATTEMPTS_MAX
        )

    async def _known_credit(self, account_id: str) -> bool:
        return await self._retry(lambda: self._reader.credit_row(account_id, TEST_CREDIT_ID), ATTEMPTS_MAX) is not None

    async def _read(self, account_id: str) -> Account:
        account = await self._retry(lambda: self._reader.account(account_id), ATTEMPTS_MAX)
        if account is None:
            raise OutcomeUnknown("an account was there and is gone")
        return account


def _network(ip: str) -> str:
    """The network that an address belongs to; what is no address is one of its own."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((int(address), _IPV6_PREFIX), strict=False))
        address = address.ipv4_mapped
    return str(ip_network((int(address), _IPV4_PREFIX), strict=False))


# What the console's first page says about an account, and the person's own name.


class LimitDefaults(Protocol):
    """The deployment's limits; `config.Settings` has them."""

    @property
    def account_requests_per_minute(self) -> int: ...
    @property
    def account_tokens_per_minute(self) -> int: ...
    @property
    def in_flight_max(self) -> int: ...


class ProfileBooks(Protocol):
    async def account(self, account_id: str) -> Account | None: ...
    def usage_rows(self, account_id: str) -> AsyncIterator[UsageRow]: ...


class KeyLister(Protocol):
    async def list(self, account_id: str) -> Sequence[ApiKey]: ...


@dataclass(frozen=True, slots=True)
class Overview:
    """`limits` are in force: the account's own, or the deployment's. `withheld` is why there is no test credit."""

    account: Account
    limits: AccountLimits
    has_key: bool
    has_call: bool
    withheld: Withheld | None


class Profile:
    def __init__(
        self,
        onboarding: Onboarding,
        books: ProfileBooks,
        keys: KeyLister,
        provider: IdentityProvider,
        defaults: LimitDefaults,
    ) -> None:
        self._onboarding = onboarding
        self._books = books
        self._keys = keys
        self._provider = provider
        self._defaults = defaults

    async def account(self, session: Session, ip: str) -> Account:
        """Opened here if the sign-in's books are gone. Raises LedgerUnavailable."""
        with unavailable_as(_CANNOT_BE_READ):
            found = await self._books.account(session.account_id)
        return found or await self._onboarding.ensure(session, ip)

    async def overview(self, session: Session, ip: str) -> Overview:
        """Raises LedgerUnavailable."""
        account = await self.account(session, ip)
        with unavailable_as(_CANNOT_BE_READ):
            # A page's own short-lived key is no first step of its owner.
            has_key = any(key.kind == API for key in await self._keys.list(session.account_id))
            has_call = await self._has_call(account)
        # Who has had any money is not waiting for the first.
        withheld = None if account.credits_in else await self._onboarding.withheld(session.account_id)
        return Overview(account, self._limits(account.limits), has_key, has_call, withheld)

    async def rename(self, access: Access, name: str) -> None:
        """With the provider first, whose ID tokens carry the name. Raises IdentityUnavailable or LedgerUnavailable."""
        await self._provider.rename(access.access_token, name)
        await self._onboarding.remember(access.session, name)

    async def _has_call(self, account: Account) -> bool:
        """Free calls charge nothing and have rows all the same."""
        if account.charged or account.live_holds:
            return True
        async for _ in self._books.usage_rows(account.account_id):
            return True
        return False

    def _limits(self, own: AccountLimits) -> AccountLimits:
        defaults = self._defaults
        return AccountLimits(
            own.requests_per_minute or defaults.account_requests_per_minute,
            own.tokens_per_minute or defaults.account_tokens_per_minute,
            own.in_flight_max or defaults.in_flight_max,
        )


# Which addresses reach the same mailbox, as far as an address tells.
# A rule is kept where its source is known, so that no two people share a mailbox here. What no address tells stays:
# aliases with names of their own (iCloud, Outlook, Proton, relays) and whole domains that belong to one person.


@dataclass(frozen=True, slots=True)
class AliasRules:
    """How one provider reads what is in front of the @, besides "+tag", which is cut off everywhere.

    `ignored` characters count for nothing, those of `same` count as its first one, `tag` begins a tag as "+" does.
    """

    domains: tuple[str, ...]
    ignored: str = ""
    same: str = ""
    tag: str = ""
    is_one_domain: bool = True


_RULES = (
    # Dots do not matter: https://support.google.com/mail/answer/7436150
    # googlemail.com is gmail.com: https://support.google.com/mail/answer/10313
    AliasRules(("gmail.com", "googlemail.com"), ignored="."),
    # Dots, hyphens and underscores do not matter: `removeEmailAlias` in github.com/ProtonMail/WebClients
    # A name is one person's at each of the domains.
    AliasRules(("proton.me", "protonmail.com", "protonmail.ch", "pm.me"), ignored=".-_"),
    # A username is one person's at all of its domains: https://yandex.com/support/id/authorization/email.html
    # A dot and a hyphen are taken for one character of a login: widely reported, on no page of Yandex that we know.
    AliasRules(
        (
            "yandex.ru",
            "ya.ru",
            "yandex.com",
            "yandex.by",
            "yandex.kz",
            "yandex.ua",
            "yandex.uz",
            "yandex.az",
            "yandex.co.il",
            "yandex.com.am",
            "yandex.com.ge",
            "yandex.com.tr",
            "yandex.ee",
            "yandex.fr",
            "yandex.kg",
            "yandex.lt",
            "yandex.lv",
            "yandex.md",
            "yandex.tj",
            "yandex.tm",
            "narod.ru",
        ),
        same="-.",
    ),
    # What is an underscore in a name is a hyphen in a subdomain: https://fastmail.com/blog/two-address-resolving-additions
    AliasRules(("fastmail.com", "fastmail.fm", "sent.com"), same="-_", is_one_domain=False),
    # Whoever has an address at one of these has it at icloud.com: https://support.apple.com/HT201771
    AliasRules(("icloud.com", "me.com", "mac.com")),
    # "name-keyword" reaches "name", and no name has a hyphen itself:
    # http://help.yahoo.com/help/uk/bt/tutorials/mail/addressguard2.html
    AliasRules(
        (
            "yahoo.com",
            "myyahoo.com",
            "ymail.com",
            "rocketmail.com",
            "yahoo.ca",
            "yahoo.co.id",
            "yahoo.co.in",
            "yahoo.co.nz",
            "yahoo.co.th",
            "yahoo.co.uk",
            "yahoo.co.za",
            "yahoo.com.ar",
            "yahoo.com.au",
            "yahoo.com.br",
            "yahoo.com.hk",
            "yahoo.com.mx",
            "yahoo.com.my",
            "yahoo.com.ph",
            "yahoo.com.sg",
            "yahoo.com.tr",
            "yahoo.com.tw",
            "yahoo.com.vn",
            "yahoo.de",
            "yahoo.dk",
            "yahoo.es",
            "yahoo.fr",
            "yahoo.gr",
            "yahoo.ie",
            "yahoo.in",
            "yahoo.it",
            "yahoo.no",
            "yahoo.pl",
            "yahoo.ro",
            "yahoo.se",
        ),
        tag="-",
        is_one_domain=False,
    ),
)
_BY_DOMAIN: Mapping[str, AliasRules] = {domain: rules for rules in _RULES for domain in rules.domains}
# anything@name.fastmail.com reaches name@fastmail.com: https://www.fastmail.help/hc/en-us/articles/360060591053
_SUBDOMAINS = ("fastmail.com", "fastmail.fm", "sent.com")


def mailbox_of(email: str) -> str:
    """Equal for all the addresses that whoever has one mailbox gets without asking; a hash, as it is kept for good."""
    local, _, domain = unicodedata.normalize("NFKC", email).strip().lower().rpartition("@")
    local, domain = _own_address(local, domain)
    local = _cut(local, "+")
    if rules := _BY_DOMAIN.get(domain):
        local = _read(local, rules)
        domain = rules.domains[0] if rules.is_one_domain else domain
    return hashlib.sha256(f"{local}@{domain}".encode()).hexdigest()


def _own_address(local: str, domain: str) -> tuple[str, str]:
    """What a subdomain of one's own stands for."""
    name, _, rest = domain.partition(".")
    return (name, rest) if rest in _SUBDOMAINS else (local, domain)


def _read(local: str, rules: AliasRules) -> str:
    if rules.tag:
        local = _cut(local, rules.tag)
    kept = "".join(char for char in local if char not in rules.ignored)
    for char in rules.same[1:]:
        kept = kept.replace(char, rules.same[0])
    # Nothing but ignored characters is no address of that provider.
    return kept or local


def _cut(local: str, tag: str) -> str:
    """A tag alone has nothing in front of it: an address like any other."""
    return local.partition(tag)[0] or local
