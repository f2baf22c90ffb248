"""Mailboxes: which e-mail addresses reach the same one, as far as an address shows it.

An alias rule is here only where its source is known, so that two people never share a mailbox. Some aliases cannot be
recognized: those with names of their own (iCloud, Outlook, Proton, relays) and domains that belong to one person.
"""

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AliasRules:
    """The way one provider reads the part before the @; "+tag" is removed everywhere.

    `ignored` characters do not matter, those of `same` are equivalent, and `tag` begins a tag as "+" does.
    With `is_one_domain` the name belongs to one person at all of the domains.
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
    # A dot and a hyphen are equivalent in a login: widely reported, though we know no page of Yandex that says so.
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
    # An underscore in a name is a hyphen in a subdomain: https://fastmail.com/blog/two-address-resolving-additions
    AliasRules(("fastmail.com", "fastmail.fm", "sent.com"), same="-_", is_one_domain=False),
    # An address at one of these is also one at icloud.com: https://support.apple.com/HT201771
    AliasRules(("icloud.com", "me.com", "mac.com")),
    # "name-keyword" reaches "name", and a name itself has no hyphen:
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
    """A hash that is equal for all addresses which reach a mailbox without being set up; it is stored permanently."""
    local, _, domain = unicodedata.normalize("NFKC", email).strip().lower().rpartition("@")
    local, domain = _without_subdomain(local, domain)
    local = _without_tag(local, "+")
    if rules := _BY_DOMAIN.get(domain):
        local = _canonical(local, rules)
        domain = rules.domains[0] if rules.is_one_domain else domain
    return hashlib.sha256(f"{local}@{domain}".encode()).hexdigest()


def _without_subdomain(local: str, domain: str) -> tuple[str, str]:
    """Turn anything@name.fastmail.com into name@fastmail.com."""
    name, _, rest = domain.partition(".")
    return (name, rest) if rest in _SUBDOMAINS else (local, domain)


def _canonical(local: str, rules: AliasRules) -> str:
    if rules.tag:
        local = _without_tag(local, rules.tag)
    kept = "".join(char for char in local if char not in rules.ignored)
    for char in rules.same[1:]:
        kept = kept.replace(char, rules.same[0])
    # A name of ignored characters alone is not an address of that provider.
    return kept or local


def _without_tag(local: str, tag: str) -> str:
    """An address that begins with the tag character stays as it is."""
    return local.partition(tag)[0] or local
