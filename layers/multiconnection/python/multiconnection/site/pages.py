"""The public pages: their contents, from the price list and the state of the providers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol

from multiconnection.catalog.service import CatalogService, ListingService
from multiconnection.config import CreditMode
from multiconnection.errors import ModelNotFound

from .prices import KIND_NAMES, Row, capability_names, model_price_lines, table_row, tokens
from .snippets import KEY_VARIABLE, curl_json, example_model, snippets

Model = Mapping[str, Any]
SORTS = {
    "name": "Model",
    "context": "Context",
    "input": "Input",
    "cached": "Cached",
    "output": "Output",
}
STATE_WORDS = {"ok": "Operational", "degraded": "Degraded", "down": "Down", "unknown": "No recent calls"}
STATE_TONES = {"ok": "good", "degraded": "warn", "down": "bad", "unknown": "plain"}
_QUERY_MAX = 80


ProviderState = Literal["ok", "degraded", "down", "unknown"]


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """One configured provider; `models` are the ids it serves."""

    name: str
    state: ProviderState
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """`public_base_url` ends in /v1; without one the visitor's own host is shown.

    `upload_origin` is the origin of the payload bucket, which the console may send receipts to.
    """

    legal_entity: str
    test_credit_usd: str
    public_base_url: str | None = None
    upload_origin: str | None = None
    test_credit_mode: CreditMode = "automatic"


class ProviderStates(Protocol):
    async def states(self) -> Mapping[str, ProviderState]:
        """By provider name; a provider without recent calls may be missing."""


@dataclass(frozen=True, slots=True)
class SiteService:
    config: SiteConfig
    catalog: CatalogService
    listing: ListingService
    provider_states: ProviderStates

    async def models(self) -> list[dict[str, Any]]:
        """The public price list, as in /api/models."""
        return [model.model_dump() for model in await self.listing.price_list()]

    async def model(self, name: str) -> dict[str, Any]:
        """By id or alias. Raises ModelNotFound."""
        for model in await self.models():
            if name == model["id"] or name in model["aliases"]:
                return model
        raise ModelNotFound(f"The model `{name[:128]}` does not exist.", param="model")

    async def status(self) -> list[ProviderStatus]:
        """Every provider that serves a model, by name."""
        served: dict[str, list[str]] = {}
        for model in await self.catalog.served():
            for name in dict.fromkeys(ref.provider for ref in self.catalog.upstreams(model)):
                served.setdefault(name, []).append(model.id)
        states = await self.provider_states.states()
        return [ProviderStatus(name, states.get(name, "unknown"), tuple(served[name])) for name in sorted(served)]


def home_page(models: Sequence[Model], base_url: str, query: Mapping[str, str]) -> dict[str, Any]:
    chat = example_model(models, "chat") or "gpt-4.1"
    return {**models_page(models, query), "snippets": snippets("chat", chat, base_url)}


def models_page(models: Sequence[Model], query: Mapping[str, str]) -> dict[str, Any]:
    """Search, kind and order come from the query, so that the table also works without scripts."""
    rows = [table_row(model) for model in models]
    present = {row.kind for row in rows}
    kinds = {kind: name for kind, name in KIND_NAMES.items() if kind in present}
    words = query.get("q", "").strip()[:_QUERY_MAX]
    kind = query.get("kind", "") if query.get("kind") in kinds else ""
    sort = query.get("sort", "").removeprefix("-")
    sort = sort if sort in SORTS else "name"
    descending = query.get("sort", "").startswith("-")
    return {
        "rows": _in_order(rows, sort, descending),
        "shown": {row.id for row in rows if (not kind or row.kind == kind) and _matches(row, words)},
        "kinds": kinds,
        "sorts": SORTS,
        "table": {"q": words, "kind": kind, "sort": sort, "descending": descending},
        "providers_count": len({row.owned_by for row in rows}),
    }


def model_page(model: Model, base_url: str) -> dict[str, Any]:
    return {
        "model": model,
        "row": table_row(model),
        "prices": model_price_lines(model),
        "capabilities": capability_names(model),
        "context": tokens(model["context_window"]),
        "output": tokens(model["max_output_tokens"]),
        "snippets": snippets(model["kind"], model["id"], base_url),
    }


def docs_page(models: Sequence[Model], base_url: str) -> dict[str, Any]:
    """The examples name served models where there are any of their kind."""
    chat = example_model(models, "chat") or "gpt-4.1"
    named = {
        "speech": example_model(models, "speech", ("tts-1",)) or "tts-1",
        "image": example_model(models, "image", ("dall-e-3", "demo-image")) or "dall-e-3",
        "transcription": example_model(models, "transcription", ("whisper-1",)) or "whisper-1",
        "embedding": example_model(models, "embedding", ("text-embedding-3-small",)) or "text-embedding-3-small",
        "moderation": example_model(models, "moderation", ("omni-moderation-latest",)) or "omni-moderation-latest",
    }
    stream = {"model": chat, "stream": True, "messages": [{"role": "user", "content": "stream test"}]}
    speech = {"model": named["speech"], "input": "The quick brown fox jumped over the lazy dog.", "voice": "alloy"}
    chat_url = f"{base_url}/chat/completions"
    return {
        "chat_model": chat,
        "named": named,
        "key_variable": KEY_VARIABLE,
        "chat": snippets("chat", chat, base_url),
        "of_kind": {kind: snippets(kind, name, base_url) for kind, name in named.items()},
        "stream_curl": curl_json(chat_url, stream),
        "speech_chat_curl": curl_json(chat_url, speech, " \\\n  --output speech.mp3"),
        "errors": ERROR_ROWS,
    }


def status_page(providers: Sequence[ProviderStatus]) -> dict[str, Any]:
    return {"providers": providers, "words": STATE_WORDS, "tones": STATE_TONES, "overall": _overall(providers)}


def _overall(providers: Sequence[ProviderStatus]) -> str:
    states = {provider.state for provider in providers}
    if not providers:
        return "No provider is configured."
    if "down" in states:
        return "Some providers are down. Calls go to the others where a model has more than one."
    return "Some providers answer slowly or with errors." if "degraded" in states else "No known problems."


def _matches(row: Row, words: str) -> bool:
    text = f"{row.id} {row.name} {row.owned_by} {row.kind_name}".lower()
    return all(word in text for word in words.lower().split())


def _in_order(rows: Sequence[Row], column: str, descending: bool) -> list[Row]:
    """Rows without a value in that column come last either way."""
    if column == "name":
        return sorted(rows, key=lambda row: row.order["name"], reverse=descending)
    filled = [row for row in rows if row.order[column]]
    filled.sort(key=lambda row: Decimal(row.order[column]), reverse=descending)
    return filled + [row for row in rows if not row.order[column]]


@dataclass(frozen=True, slots=True)
class FormPage:
    """A page with one form; `name` is the script's name for it, `alternatives` are (path, text)."""

    name: str
    title: str
    lead: str
    button: str
    fields: tuple[str, ...]
    alternatives: tuple[tuple[str, str], ...]


FORMS = {
    form.name: form
    for form in (
        FormPage(
            "sign-in",
            "Sign in",
            "Keys, usage and billing of your account.",
            "Sign in",
            ("email", "password"),
            (("/sign-up", "Create an account"), ("/forgot", "Forgot your password?")),
        ),
        FormPage(
            "sign-up",
            "Create an account",
            "An e-mail address is all it takes.",
            "Create account",
            ("name", "email", "new-password"),
            (("/sign-in", "I have an account already"),),
        ),
        FormPage(
            "verify",
            "Confirm your e-mail address",
            "Enter the code from the message we sent you, and your password. The message can take a minute to arrive.",
            "Confirm",
            ("email", "code", "new-password"),
            (("/sign-in", "Back to sign in"), ("/forgot", "Forgot your password?")),
        ),
        FormPage(
            "forgot",
            "Reset your password",
            "If an account has this address, a code is on its way to it.",
            "Send the code",
            ("email",),
            (("/sign-in", "Back to sign in"),),
        ),
        FormPage(
            "reset",
            "Choose a new password",
            "Enter the code from the message, and the password you want from now on.",
            "Set the password",
            ("email", "code", "new-password"),
            (("/forgot", "Send another code"), ("/sign-in", "Back to sign in")),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """An error code that the docs page explains; a test compares them with the error tree."""

    code: str
    status: int
    meaning: str


ERROR_ROWS = (
    ErrorRow("api_key_required", 401, "Missing user API key."),
    ErrorRow("invalid_api_key", 401, "The API key is invalid, deleted, disabled or expired."),
    ErrorRow(
        "insufficient_balance",
        402,
        "The account balance, or the key's budget, is too low. Recharge or ask for test credit; "
        "`affordable_max_tokens` says what still fits.",
    ),
    ErrorRow("admin_forbidden", 403, "Admin permission is required."),
    ErrorRow("model_not_allowed", 403, "This key is limited to other models."),
    ErrorRow("ip_not_authorized", 403, "This key is limited to other addresses."),
    ErrorRow("account_suspended", 403, "The account is suspended. Contact support."),
    ErrorRow("model_not_found", 404, "The model does not exist or is not enabled."),
    ErrorRow("request_too_large", 413, "The body is larger than 6 MB. Send large files to POST /v1/uploads."),
    ErrorRow(
        "rate_limited",
        429,
        "The API key, account or IP rate limit was exceeded. Wait for `Retry-After` seconds, then retry.",
    ),
    ErrorRow("upstream_error", 502, "An upstream provider returned an error. Nothing was charged."),
    ErrorRow("upstream_timeout", 504, "An upstream provider did not answer in time."),
    ErrorRow("no_available_upstream", 503, "No provider of this model is configured."),
    ErrorRow("ledger_unavailable", 503, "Money could not be reserved safely. Nothing was forwarded; retry."),
    ErrorRow("internal_error", 500, "A fault of ours. Report the `x-request-id`."),
)
