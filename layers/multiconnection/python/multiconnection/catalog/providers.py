"""Configured providers: data/providers.json completed by the environment, and by a secret that may change any time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import orjson

from multiconnection.aws.secrets import SecretUnreadable
from multiconnection.config import Settings, SettingsError
from multiconnection.errors import NoAvailableUpstream
from multiconnection.ports import Alarms, Clock

from .models import Provider, Quirks
from .parameters import ENDPOINTS, REFUSE, UNKNOWN_FIELDS, ParameterPolicy

log = logging.getLogger(__name__)
REFRESH_S = 300.0
# Older values are not used before a new fetch: a process restored from a snapshot (SnapStart) has keys of days ago.
TRUSTED_S = 2 * REFRESH_S
# After a failed fetch; not every call tries again.
RETRY_S = 10.0
AUTHS = ("bearer", "api-key", "none")
Configure = Callable[[Mapping[str, str]], Mapping[str, Provider]]
"""Providers of the environment completed by a secret's values; raises SettingsError."""
FetchSecret = Callable[[], Awaitable[Mapping[str, str]]]
"""Names like those of environment variables → values; raises SecretUnreadable."""


class ProviderDirectory(Mapping[str, Provider]):
    """Providers by name, as the secret last read configures them. Running calls still find a provider that has gone."""

    def __init__(self, configure: Configure, fetch: FetchSecret | None, clock: Clock, alarms: Alarms) -> None:
        """Raises SettingsError. Without a secret to fetch the environment alone decides."""
        self._configure = configure
        self._fetch = fetch
        self._clock = clock
        self._alarms = alarms
        self._current: Mapping[str, Provider] = configure({})
        self._ever = dict(self._current)
        self._loading: asyncio.Task[None] | None = None
        self._next_s = 0.0
        self._trusted_until_s = 0.0
        self._loaded = fetch is None

    async def refresh(self) -> None:
        """Make sure that the secret was read recently.

        No I/O while it is fresh; then it is fetched in the background as long as the old values are trusted, and the
        caller waits otherwise. Raises NoAvailableUpstream until the secret has been read for the first time.
        """
        if self._fetch is None:
            return
        now = self._clock.now()
        if now >= self._next_s and self._loading is None:
            self._loading = asyncio.create_task(self._load(self._fetch))
        if now < self._trusted_until_s:
            return
        if self._loading is not None:
            await asyncio.shield(self._loading)
        if not self._loaded:
            raise NoAvailableUpstream("The providers' credentials cannot be read at the moment.", retry_after_s=2)

    async def aclose(self) -> None:
        """Cancel a fetch before its connection is closed."""
        if (loading := self._loading) is not None:
            loading.cancel()
            with suppress(asyncio.CancelledError):
                await loading

    def __getitem__(self, name: str) -> Provider:
        return self._ever[name]

    def __contains__(self, name: object) -> bool:
        return name in self._current

    def __iter__(self) -> Iterator[str]:
        return iter(self._current)

    def __len__(self) -> int:
        return len(self._current)

    async def _load(self, fetch: FetchSecret) -> None:
        try:
            self._current = self._configure(await fetch())
        except (SecretUnreadable, SettingsError) as exc:
            self._failed(exc)
        else:
            self._ever |= self._current
            self._loaded = True
            self._next_s = self._clock.now() + REFRESH_S
            self._trusted_until_s = self._clock.now() + TRUSTED_S
        finally:
            self._loading = None

    def _failed(self, exc: Exception) -> None:
        """Keep the known values. A single failure raises no alarm: a process may be frozen during a fetch."""
        now = self._clock.now()
        self._next_s = now + RETRY_S
        if now >= self._trusted_until_s:
            self._alarms.alarm("secret_unreadable", error=str(exc))
        else:
            log.warning("secret_unreadable", extra={"error": str(exc)})


def configured_providers(settings: Settings, document: bytes | None = None) -> Mapping[str, Provider]:
    """Providers by name that have a base URL and, if it is required, a key. Raises SettingsError.

    `document` replaces data/providers.json.
    """
    if document is None:
        document = files("multiconnection").joinpath("data/providers.json").read_bytes()
    entries = orjson.loads(document)["providers"]
    return {entry["name"]: provider for entry in entries if (provider := _provider(entry, settings)) is not None}


def provider_names() -> tuple[str, ...]:
    """The names of all providers, configured or not."""
    entries = orjson.loads(files("multiconnection").joinpath("data/providers.json").read_bytes())["providers"]
    return tuple(entry["name"] for entry in entries)


def _provider(entry: Mapping[str, Any], settings: Settings) -> Provider | None:
    prefix = entry["env_prefix"]
    given = settings.provider(prefix)
    api_key = (given.api_key or "").strip() or None
    base_url = given.base_url or entry["base_url"]
    if not base_url or (entry["key_required"] and not api_key):
        return None
    if entry["auth"] not in AUTHS:
        raise SettingsError(f"provider {entry['name']}: unknown auth {entry['auth']!r}")
    return Provider(
        name=entry["name"],
        base_url=_checked_url(base_url, f"{prefix}_BASE_URL"),
        auth=entry["auth"],
        api_key=_checked_key(api_key, f"{prefix}_API_KEY"),
        connect_timeout_s=float(entry["connect_timeout_s"]),
        first_byte_timeout_s=float(entry["first_byte_timeout_s"]),
        idle_timeout_s=float(entry["idle_timeout_s"]),
        attempts_max=int(entry["attempts_max"]),
        quirks=Quirks(**entry.get("quirks", {})),
        silence_max_s=settings.first_byte_timeout_s,
        parameters=parameter_policy(entry),
    )


def parameter_policy(entry: Mapping[str, Any]) -> ParameterPolicy:
    """The request fields that a provider takes, from its entry of data/providers.json. Raises SettingsError."""
    unknown_fields, accepted = entry.get("unknown_fields", REFUSE), entry.get("accepted_fields", {})
    if unknown_fields not in UNKNOWN_FIELDS or accepted.keys() - ENDPOINTS.keys():
        raise SettingsError(f"provider {entry['name']}: `unknown_fields` or `accepted_fields` is wrong")
    return ParameterPolicy(unknown_fields, {endpoint: frozenset(names) for endpoint, names in accepted.items()})


def _checked_url(url: str, variable: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
        raise SettingsError(f"{variable} is not an http(s) URL")
    return url


def _checked_key(api_key: str | None, variable: str) -> str | None:
    """Refuse a key that would break out of its header, without printing it."""
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise SettingsError(f"{variable} holds characters that no header can carry")
    return api_key
