"""Which addresses reach the same mailbox, as far as an address tells.

A rule is kept where its source is known, so that no two people share a mailbox here. What no address tells
stays: aliases with names of their own (iCloud, Outlook, Proton, relays) and whole domains that belong to one person.
"""

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass


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
