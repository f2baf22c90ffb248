"""Settings: typed, with defaults, and a bad value names its variable."""

import dataclasses
import os
from collections.abc import Mapping

import pytest

from multiconnection.config import ProviderSettings, Settings, SettingsError
from tests.support.chat_world import ENVIRONMENT

INTEGERS = [
    "ACCOUNT_REQUESTS_PER_MINUTE",
    "ACCOUNT_TOKENS_PER_MINUTE",
    "IP_REQUESTS_PER_MINUTE",
    "IP_FAILED_AUTH_PER_MINUTE",
    "IN_FLIGHT_MAX",
    "BODY_BYTES_MAX",
    "UPLOAD_BYTES_MAX",
    "UPLOAD_URL_EXPIRES_S",
    "RESULT_URL_EXPIRES_S",
    "INLINE_RESULT_BYTES_MAX",
]
NUMBERS = [
    "FUNCTION_TIMEOUT_S",
    "DEADLINE_MARGIN_S",
    "WHOLE_ANSWER_TIMEOUT_S",
    "FIRST_BYTE_TIMEOUT_S",
    "HOLD_MARGIN_S",
    "SWEEP_MARGIN_S",
    "KEEP_ALIVE_S",
    "KEY_CACHE_S",
    "CATALOG_CACHE_S",
]


def of(**changes: str) -> Settings:
    return Settings.of(ENVIRONMENT | changes)


def test_what_must_be_set_is_enough() -> None:
    settings = of()
    assert (settings.keys_table, settings.region, settings.aws_endpoint_url) == ("keys", "us-east-1", None)
    assert (settings.in_flight_max, settings.function_timeout_s, settings.markup_basis_points) == (256, 900, 0)
    assert settings.body_bytes_max == 6 * 1024 * 1024
    assert settings.deadline_margin_s < settings.function_timeout_s


@pytest.mark.parametrize("name", [name for name in ENVIRONMENT if name != "AWS_REGION"])
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_missing_is_named(name: str, value: str | None) -> None:
    env: Mapping[str, str] = {key: text for key, text in ENVIRONMENT.items() if key != name} | (
        {} if value is None else {name: value}
    )
    with pytest.raises(SettingsError, match=f"^{name} is not set$"):
        Settings.of(env)


def test_the_region_may_come_from_the_default_region() -> None:
    env = {name: value for name, value in ENVIRONMENT.items() if name != "AWS_REGION"}
    assert Settings.of(env | {"AWS_DEFAULT_REGION": "eu-west-1"}).region == "eu-west-1"
    with pytest.raises(SettingsError, match=r"^AWS_REGION is not set$"):
        Settings.of(env)


@pytest.mark.parametrize("name", INTEGERS)
def test_a_whole_number_is_one_and_at_least_one(name: str) -> None:
    assert getattr(of(**{name: "7"}), name.lower()) == 7
    assert getattr(of(**{name: ""}), name.lower()) == getattr(of(), name.lower())
    for wrong in ("0", "-1", "1.5", "many", "1e3", " "):
        with pytest.raises(SettingsError, match=f"^{name} is "):
            of(**{name: wrong})


@pytest.mark.parametrize("name", NUMBERS)
def test_a_time_is_a_number_above_zero(name: str) -> None:
    assert getattr(of(**{name: "0.5"}), name.lower()) == 0.5
    for wrong in ("0", "-1", "nan", "inf", "1e6", "soon"):
        with pytest.raises(SettingsError, match=f"^{name} is "):
            of(**{name: wrong})


def test_a_markup_may_be_nothing_but_not_negative() -> None:
    assert of(MARKUP_BASIS_POINTS="0").markup_basis_points == 0
    assert of(MARKUP_BASIS_POINTS="550").markup_basis_points == 550
    with pytest.raises(SettingsError, match="MARKUP_BASIS_POINTS is -1, less than 0"):
        of(MARKUP_BASIS_POINTS="-1")


def test_providers_are_read_by_prefix() -> None:
    settings = of(
        ACME_API_KEY="sk-x", ACME_BASE_URL="https://api.acme.example/v1/", EMPTY_API_KEY="", EMPTY_BASE_URL=""
    )
    assert settings.provider("ACME") == ProviderSettings("sk-x", "https://api.acme.example/v1")
    assert settings.provider("EMPTY") == settings.provider("NOBODY") == ProviderSettings(None, None)


def test_settings_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        of().region = "elsewhere"  # type: ignore[misc]


def test_the_process_environment_is_read_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert Settings.from_environment() == Settings.of(os.environ)


def test_the_smallest_order_is_not_negative_and_not_above_the_largest() -> None:
    with pytest.raises(SettingsError, match=r"^ORDER_MIN_USD is "):
        of(ORDER_MIN_USD="-5")
    with pytest.raises(SettingsError, match="ORDER_MIN_USD is above ORDER_MAX_USD"):
        of(ORDER_MIN_USD="10", ORDER_MAX_USD="9.99")
    assert of(ORDER_MIN_USD="10", ORDER_MAX_USD="10").order_min_nano == 10**10


def test_a_test_credit_is_given_in_one_of_three_ways() -> None:
    assert of().test_credit_mode == "automatic"
    for mode in ("automatic", "approval", "off"):
        assert of(TEST_CREDIT_MODE=mode).test_credit_mode == mode
    with pytest.raises(SettingsError, match=r"^TEST_CREDIT_MODE is none of"):
        of(TEST_CREDIT_MODE="Off")
    assert of(TEST_CREDITS_PER_NETWORK="1000").test_credits_per_network == 1000
    with pytest.raises(SettingsError, match=r"^TEST_CREDITS_PER_NETWORK is 1001, more than 1000"):
        of(TEST_CREDITS_PER_NETWORK="1001")
