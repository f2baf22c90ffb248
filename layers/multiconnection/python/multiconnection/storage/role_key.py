"""The process's own AWS credentials, from aiodynamo's chain, as our signer takes them."""

import aiohttp
from aiodynamo.credentials import Credentials, TooManyRetries
from aiodynamo.http.aiohttp import AIOHTTP

from .sigv4 import AwsKey


class KeyUnavailable(Exception):
    """There are no credentials, or they could not be fetched; the message says which."""


async def role_key(credentials: Credentials, session: aiohttp.ClientSession) -> AwsKey:
    """Raises KeyUnavailable."""
    try:
        key = await credentials.get_key(AIOHTTP(session))
    except (aiohttp.ClientError, TimeoutError, OSError, TooManyRetries) as exc:
        raise KeyUnavailable(f"AWS credentials: {type(exc).__name__}") from exc
    if key is None:
        raise KeyUnavailable("no AWS credentials")
    return AwsKey(key.id, key.secret, key.token)
