"""Text of a provider made fit to be shown to a caller: no keys, no addresses, bounded."""

import re
from urllib.parse import urlsplit

from multiconnection.domain.provider import Provider

MESSAGE_CHARS_MAX = 500
# Whoever calls cuts between words; this only bounds the work.
TEXT_CHARS_MAX = 2000
REDACTED = "[redacted]"
_KEY_CHARS_MIN = 4
_SECRET = re.compile(
    r"""\bbearer\s+[^\s"',;]+
      | \b[a-z]+://[^\s"'<>]+
      | \b(?:sk|gsk|xai|pk|rk|org|proj)[-_][\w*.-]{6,}
      | \bAIza[\w-]{10,}
      | \b(?:localhost|\d{1,3}(?:\.\d{1,3}){3})(?::\d+)?\b
      | (?<![a-z0-9-])(?:[a-z0-9-]{1,63}\.){1,10}(?:com|ai|net|io|org|dev|cloud|local|internal)(?::\d+)?\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CODE = re.compile(r"[\w.:-]{1,64}")


def scrub(text: str, provider: Provider) -> str:
    """One line of at most MESSAGE_CHARS_MAX characters, in time linear in the text."""
    text = text[:TEXT_CHARS_MAX].encode("utf-8", "replace").decode()
    if provider.api_key and len(provider.api_key) >= _KEY_CHARS_MIN:
        text = text.replace(provider.api_key, REDACTED)
    if host := urlsplit(provider.base_url).hostname:
        text = re.sub(rf"\b{re.escape(host)}(?::\d+)?\b", REDACTED, text, flags=re.IGNORECASE)
    text = " ".join(_SECRET.sub(REDACTED, text).split())
    return text if len(text) <= MESSAGE_CHARS_MAX else text[: MESSAGE_CHARS_MAX - 1] + "…"


def clean_code(code: str | None) -> str | None:
    """A machine-readable code, or None for anything that is not one."""
    return code if code and _CODE.fullmatch(code) and not _SECRET.search(code) else None
