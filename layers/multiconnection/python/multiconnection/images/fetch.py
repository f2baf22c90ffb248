"""Images that a provider answers as links, fetched from nowhere but the provider's own places."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from multiconnection.catalog.models import Provider

if TYPE_CHECKING:
    import httpx

# Where OpenAI keeps finished images. Exact names: accounts beside them are open to everybody.
STORES = frozenset({"oaidalleapiprodscus.blob.core.windows.net"})
PICTURE_BYTES_MAX = 64 * 1024 * 1024
FETCH_TIMEOUT_S = 30.0
_PORTS = {"http": 80, "https": 443}
Get = Callable[[str, int], Awaitable[bytes]]
"""The at most so many bytes behind a URL; raises PictureUnreachable."""


class PictureUnreachable(Exception):
    """The link leads somewhere else, or to nothing."""


async def get_picture(url: str, bytes_max: int) -> bytes:
    """No redirects, no cookies, no credentials; a client for each of these rare calls. Raises PictureUnreachable."""
    import httpx

    try:
        async with (
            asyncio.timeout(FETCH_TIMEOUT_S),
            httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, trust_env=False) as client,
            client.stream("GET", url, headers={"accept-encoding": "identity"}) as response,
        ):
            return await _read(response, bytes_max)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as exc:
        raise PictureUnreachable("the link could not be read") from exc


async def fetched(get: Get, provider: Provider, url: str) -> bytes:
    """Raises PictureUnreachable, before anything is sent for a link to a foreign place."""
    if not is_providers_own(provider, url):
        raise PictureUnreachable("the link leads to a foreign place")
    return await get(url, PICTURE_BYTES_MAX)


def is_providers_own(provider: Provider, url: str) -> bool:
    """The origin of its API, or a known store over https: a link must not make us call our own network."""
    origin = _origin(url)
    if origin is None:
        return False
    return origin == _origin(provider.base_url) or (origin[0] == "https" and origin[1] in STORES and origin[2] == 443)


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what is no plain http(s) URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname or parts.username is not None or "\\" in url or not url.isprintable() or " " in url:
        return None
    return parts.scheme, parts.hostname, port


async def _read(response: "httpx.Response", bytes_max: int) -> bytes:
    if response.status_code != 200:
        raise PictureUnreachable(f"the link answers {response.status_code}")
    data = bytearray()
    async for piece in response.aiter_bytes():
        data += piece
        if len(data) > bytes_max:
            raise PictureUnreachable("the image is too large")
    return bytes(data)
