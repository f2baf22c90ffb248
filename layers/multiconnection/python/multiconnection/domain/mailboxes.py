"""Which addresses reach the same mailbox, as far as an address tells."""

import hashlib
import unicodedata

_GMAIL = ("gmail.com", "googlemail.com")


def mailbox_of(email: str) -> str:
    """Equal for all the addresses that whoever has one mailbox gets without asking; a hash, as it is kept for good."""
    local, _, domain = unicodedata.normalize("NFKC", email).strip().lower().rpartition("@")
    # "+tag" alone has nothing in front of its tag: an address like any other.
    local = local.partition("+")[0] or local
    if domain in _GMAIL:
        local, domain = local.replace(".", ""), _GMAIL[0]
    return hashlib.sha256(f"{local}@{domain}".encode()).hexdigest()
