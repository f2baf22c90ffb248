"""The key a request presents, and how it may be shown back."""

from multiconnection.domain.api_keys import PREFIX
from multiconnection.domain.errors import ApiKeyInvalid, ApiKeyRequired

_KEY_MISSING = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY)."
)
# Shorter texts would give away too much of themselves by four characters.
_MASKED_CHARS_MIN = 16


def presented_secret(authorization: str | None, x_api_key: str | None) -> str:
    """`Authorization: Bearer …` (any case, any spaces), else `x-api-key`; raises ApiKeyRequired."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    secret = bearer or (x_api_key or "").strip()
    if not secret:
        raise ApiKeyRequired(_KEY_MISSING)
    return secret


def masked(secret: str) -> str:
    """At most our own prefix and the last four characters."""
    last4 = secret[-4:]
    if len(secret) < _MASKED_CHARS_MIN or not (last4.isascii() and last4.isprintable()):
        return "****"
    return f"{PREFIX if secret.startswith(PREFIX) else ''}***{last4}"


def invalid_key(secret: str) -> ApiKeyInvalid:
    """The one answer to unknown, malformed, disabled, deleted and expired keys."""
    return ApiKeyInvalid(f"Incorrect API key provided: {masked(secret)}.")
