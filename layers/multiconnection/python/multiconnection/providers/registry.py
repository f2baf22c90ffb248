"""The configured providers: data/providers.json completed by the environment."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import orjson

from multiconnection.config import Settings, SettingsError
from multiconnection.domain.parameters import ENDPOINTS, REFUSE, UNKNOWN_FIELDS, ParameterPolicy
from multiconnection.domain.provider import Provider, Quirks

AUTHS = ("bearer", "api-key", "none")


def configured_providers(settings: Settings, document: bytes | None = None) -> Mapping[str, Provider]:
    """By name, those with a base URL and, where one is required, a key. Raises SettingsError.

    `document` stands in for data/providers.json.
    """
    if document is None:
        document = files("multiconnection").joinpath("data/providers.json").read_bytes()
    entries = orjson.loads(document)["providers"]
    return {entry["name"]: provider for entry in entries if (provider := _provider(entry, settings)) is not None}


def provider_names() -> tuple[str, ...]:
    """All that there are, configured or not."""
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
    """The fields that an entry of data/providers.json takes. Raises SettingsError."""
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
    """Never prints the key: a line break in one would be a header of its own."""
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise SettingsError(f"{variable} holds characters that no header can carry")
    return api_key
