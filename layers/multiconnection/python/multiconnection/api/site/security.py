"""The headers that keep a page to itself: nothing inline, nothing from elsewhere, in no frame."""

PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), interest-cohort=()"
HSTS = "max-age=31536000"


def content_security_policy(upload_origin: str | None = None) -> str:
    """Scripts may call our own host, and the payload bucket where receipts are put."""
    connect = f"'self' {upload_origin}" if upload_origin else "'self'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        f"connect-src {connect}; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )


def security_headers(*, is_secure: bool, upload_origin: str | None = None) -> dict[str, str]:
    """Transport security is only said over HTTPS, where a browser believes it."""
    headers = {
        "content-security-policy": content_security_policy(upload_origin),
        "x-content-type-options": "nosniff",
        "referrer-policy": "strict-origin-when-cross-origin",
        "permissions-policy": PERMISSIONS,
        "cross-origin-opener-policy": "same-origin",
    }
    return headers | {"strict-transport-security": HSTS} if is_secure else headers
