"""Catalog entries for any OpenAI-compatible server named by UPSTREAM_BASE_URL."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from multiconnection.ids import encode

PRICE_INPUT_DEFAULT = "0.50"
PRICE_OUTPUT_DEFAULT = "1.50"
CONTEXT_WINDOW_DEFAULT = 131_072
OUTPUT_TOKENS_DEFAULT = 16_384
# Templates of open models put a text of their own before a prompt without a system message (Mistral's has 350 tokens).
PREAMBLE_TOKENS = 512
TIMEOUT_S = 15.0
_CODES = 62**3


class UpstreamUnreadable(RuntimeError):
    """The server's /models could not be listed; the message says why."""


def upstream_entries(env: Mapping[str, str], taken_codes: Iterable[str]) -> list[dict[str, Any]]:
    """One chat entry per model of the server, priced by UPSTREAM_PRICE_INPUT / UPSTREAM_PRICE_OUTPUT."""
    base_url = env.get("UPSTREAM_BASE_URL", "").rstrip("/")
    if not base_url:
        return []
    codes = set(taken_codes)
    entries = []
    for listed in _list_models(base_url, env.get("UPSTREAM_API_KEY", "")):
        entry = _entry(listed, env, _free_code(str(listed["id"]), codes))
        codes.add(entry["code"])
        entries.append(entry)
    return entries


def _list_models(base_url: str, api_key: str) -> list[dict[str, Any]]:
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        response = httpx.get(f"{base_url}/models", headers=headers, timeout=TIMEOUT_S)
        response.raise_for_status()
        models: list[dict[str, Any]] = response.json()["data"]
    except (httpx.HTTPError, KeyError, TypeError, ValueError) as exc:
        raise UpstreamUnreadable(f"cannot list {base_url}/models: {type(exc).__name__}: {exc}") from exc
    return models


def _entry(listed: Mapping[str, Any], env: Mapping[str, str], code: str) -> dict[str, Any]:
    model_id = str(listed["id"])
    context = listed.get("context_length") or listed.get("max_model_len") or CONTEXT_WINDOW_DEFAULT
    price_in = env.get("UPSTREAM_PRICE_INPUT") or PRICE_INPUT_DEFAULT
    price_out = env.get("UPSTREAM_PRICE_OUTPUT") or PRICE_OUTPUT_DEFAULT
    return {
        "id": model_id,
        "code": code,
        "aliases": [],
        "owned_by": str(listed.get("owned_by") or "upstream"),
        "kind": "chat",
        "name": model_id,
        "created": int(listed.get("created") or 0),
        "context_window": int(context),
        "max_output_tokens": min(int(context), OUTPUT_TOKENS_DEFAULT),
        "preamble_tokens": PREAMBLE_TOKENS,
        "price_version": 1,
        "prices": {"input": price_in, "cached_input": price_in, "cache_write": price_in, "output": price_out},
        "image_tokens_max": 4096,
        "capabilities": ["streaming", "completions", "tools", "vision", "json_mode", "json_schema", "logprobs"],
        "refused_parameters": ["audio", "modalities:audio", "prediction", "web_search_options", "service_tier", "file"],
        "priced_parameters": {},
        "upstreams": [{"provider": "upstream", "model": model_id}],
    }


def _free_code(model_id: str, taken: set[str]) -> str:
    """Three characters from the id's hash; the next free ones when they are taken."""
    start = int.from_bytes(hashlib.sha256(model_id.encode()).digest()[:8], "big")
    for step in range(_CODES):
        code = encode((start + step) % _CODES, 3)
        if code not in taken:
            return code
    raise UpstreamUnreadable("more models than there are codes")
