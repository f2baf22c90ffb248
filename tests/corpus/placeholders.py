"""Random values as placeholders by the order of their appearance: equal values stay equal, and nothing else is seen."""

import base64
import re
from collections import Counter

import orjson

# What is random in the answers, by the name of its placeholder; the longest prefix first.
_KINDS = {
    # A sealed second step: base64 for URLs, longer than any id.
    "sealed": r"(?<![\w+/=.-])(?=[\w-]*[-_])[\w-]{200,}=*(?![\w+/=.-])",
    "jwt": r"eyJ[\w-]+\.[\w-]+\.[\w-]+",
    "secret": r"sk-live-[0-9A-Za-z]{32,}",
    "last4": r"(?<=\*\*\*)[0-9A-Za-z]{4}(?![0-9A-Za-z*])",
    "req": r"req_[0-9A-Za-z]{12}",
    "ord": r"ord_[0-9A-Za-z]{16}",
    "adj": r"adj_[0-9A-Za-z]{22}",
    "acct": r"acct_[0-9A-Za-z]{24}",
    "aud": r"aud_[0-9A-Za-z]{14}",
    "upl": r"upl_[0-9A-Za-z]{22}",
    "reference": r"MC-[0-9A-Z]{4,}(?:-[0-9A-Z]+)*",
    "token": r"(?:access|refresh|session)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "uuid": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "made": r"(?<=call_)[0-9a-f]{24}|(?<=cmpl-)[0-9a-f]{24}|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])|(?<=Connection)"
    r"[0-9a-f]{32}",
}
_PATTERN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))
# The id of a row in a cursor or below a bucket's prefix is that of the thing, without its own prefix.
_BARE = ("req", "upl", "adj", "aud")
_WORD = re.compile(r"[0-9A-Za-z]{8,}")
# Of a key, and behind it of one of its old secrets.
_KEY_ID = re.compile(r"([0-9A-Za-z]{8})(?:\.([0-9a-f]{8}))?")


class Placeholders:
    """Those of one scenario. What has no form of its own is made known with `learn`."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def text(self, text: str) -> str:
        """The text with a placeholder instead of each random value."""
        text = _PATTERN.sub(lambda found: self._named(str(found.lastgroup), found[0]), text)
        return _WORD.sub(lambda found: self._known.get(found[0], found[0]), text)

    def last4(self, value: str) -> str:
        """The end of a key's secret, which is too short to be looked for."""
        return self._named("last4", value)

    def learn(self, kind: str, value: str) -> None:
        """A value of letters and digits, eight of them at least."""
        self._named(kind, value)

    def learn_ids(self, value: object) -> None:
        """What has a name in an answer and no form of its own: ids of keys, secrets for authenticator apps."""
        if isinstance(value, list):
            for each in value:
                self.learn_ids(each)
        elif isinstance(value, dict):
            for name, each in value.items():
                if name in ("id", "key_id") and isinstance(each, str) and (found := _KEY_ID.fullmatch(each)):
                    self.learn("key", found[1])
                    if found[2]:
                        self.learn("old", found[2])
                elif name == "secret" and isinstance(each, str) and not each.startswith("sk-live-"):
                    self.learn("totp", each)
                self.learn_ids(each)

    def _named(self, kind: str, value: str) -> str:
        if kind == "jwt":
            return _claims(value)
        if value not in self._known:
            self._counts[kind] += 1
            self._known[value] = f"<{kind} {self._counts[kind]}>"
            if kind in _BARE:
                self._known[value.partition("_")[2]] = f"<bare {kind} {self._counts[kind]}>"
        return self._known[value]


def _claims(token: str) -> str:
    """What a token says: its signature is of a key that each process makes for itself."""
    payload = token.split(".")[1]
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return "<jwt>"
    return f"<jwt of {claims.get('email')} until {claims.get('exp')}>"
