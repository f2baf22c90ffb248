"""RFC 6238, as an authenticator app computes it."""

import base64
import hashlib
import hmac
import struct

STEP_S = 30


def totp_code(secret: str, now_s: float) -> str:
    """Six digits of a secret in base 32."""
    key = base64.b32decode(secret)
    digest = hmac.new(key, struct.pack(">Q", int(now_s // STEP_S)), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**6:06d}"


def other_code(code: str) -> str:
    """Six digits that are not these."""
    return f"{(int(code) + 1) % 10**6:06d}"
