"""Which providers are configured."""

from collections.abc import Mapping

import orjson
import pytest

from multiconnection.catalog.models import Provider
from multiconnection.catalog.providers import configured_providers
from multiconnection.config import Settings, SettingsError

TABLES = (
    "KEYS_TABLE",
    "BALANCES_TABLE",
    "USAGE_TABLE",
    "CREDITS_TABLE",
    "CATALOG_TABLE",
    "LIMITS_TABLE",
    "ORDERS_TABLE",
    "AUDIT_TABLE",
    "REPORTS_TABLE",
    "ADJUSTMENTS_TABLE",
)
REQUIRED = dict.fromkeys((*TABLES, "PAYLOAD_BUCKET", "FALLBACK_QUEUE_URL", "AWS_REGION"), "x")


def configured(**environment: str) -> Mapping[str, Provider]:
    return configured_providers(Settings.of(REQUIRED | environment))


def test_nothing_is_configured_without_keys_or_urls() -> None:
    assert configured() == {}
    assert configured(OLLAMA_API_KEY="x") == {}


def test_a_key_configures_a_provider_with_a_default_url() -> None:
    (provider,) = configured(DEEPSEEK_API_KEY=" sk-1234\n").values()
    assert (provider.name, provider.api_key) == ("deepseek", "sk-1234")
    assert provider.base_url.startswith("https://")
    assert provider.quirks.cached_tokens_field == "prompt_cache_hit_tokens"
    assert "1234" not in repr(provider)


def test_a_url_configures_a_provider_that_needs_no_key() -> None:
    providers = configured(UPSTREAM_BASE_URL="http://127.0.0.1:9/v1/")
    assert {provider.base_url for provider in providers.values()} == {"http://127.0.0.1:9/v1"}


def test_the_base_url_can_be_replaced() -> None:
    provider = configured(OPENAI_API_KEY="k" * 9, OPENAI_BASE_URL="http://127.0.0.1:1/x")["openai"]
    assert provider.base_url == "http://127.0.0.1:1/x"


@pytest.mark.parametrize("url", ["ftp://h/v1", "h/v1", "http://", "http://h/v1\nx: y", "http://a b"])
def test_a_bad_url_names_its_variable(url: str) -> None:
    with pytest.raises(SettingsError, match="OLLAMA_BASE_URL"):
        configured(OLLAMA_BASE_URL=url)


def test_a_bad_key_names_its_variable_and_not_itself() -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY") as caught:
        configured(OPENAI_API_KEY="sk-1\r\nx-evil: 1")
    assert "sk-1" not in str(caught.value)


def test_an_unknown_auth_is_refused() -> None:
    entry = {"name": "x", "env_prefix": "X", "base_url": "http://h", "auth": "basic", "key_required": False}
    settings = Settings.of(REQUIRED)
    with pytest.raises(SettingsError, match="basic"):
        configured_providers(settings, orjson.dumps({"providers": [entry]}))
