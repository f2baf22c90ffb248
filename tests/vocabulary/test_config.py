"""Settings: typed, with defaults, and a bad value names its variable."""

import os
from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from multiconnection.config import BankDetail, ProviderSettings, Settings, SettingsError
from multiconnection.money import NANO_PER_USD
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
        with pytest.raises(SettingsError, match=f"^{name}: "):
            of(**{name: wrong})


@pytest.mark.parametrize("name", NUMBERS)
def test_a_time_is_a_number_above_zero(name: str) -> None:
    assert getattr(of(**{name: "0.5"}), name.lower()) == 0.5
    for wrong in ("0", "-1", "nan", "inf", "1e6", "soon"):
        with pytest.raises(SettingsError, match=f"^{name}: "):
            of(**{name: wrong})


def test_a_markup_may_be_nothing_but_not_negative() -> None:
    assert of(MARKUP_BASIS_POINTS="0").markup_basis_points == 0
    assert of(MARKUP_BASIS_POINTS="550").markup_basis_points == 550
    with pytest.raises(SettingsError, match=r"^MARKUP_BASIS_POINTS: Input should be greater than or equal to 0$"):
        of(MARKUP_BASIS_POINTS="-1")


def test_providers_are_read_by_prefix() -> None:
    settings = of(
        ACME_API_KEY="sk-x", ACME_BASE_URL="https://api.acme.example/v1/", EMPTY_API_KEY="", EMPTY_BASE_URL=""
    )
    assert settings.provider("ACME") == ProviderSettings("sk-x", "https://api.acme.example/v1")
    assert settings.provider("EMPTY") == settings.provider("NOBODY") == ProviderSettings(None, None)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        of().region = "elsewhere"  # type: ignore[misc]


def test_the_process_environment_is_read_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert Settings.from_environment() == Settings.of(os.environ)


def test_the_smallest_order_is_not_negative_and_not_above_the_largest() -> None:
    with pytest.raises(SettingsError, match=r"^ORDER_MIN_USD: "):
        of(ORDER_MIN_USD="-5")
    with pytest.raises(SettingsError, match="ORDER_MIN_USD is above ORDER_MAX_USD"):
        of(ORDER_MIN_USD="10", ORDER_MAX_USD="9.99")
    assert of(ORDER_MIN_USD="10", ORDER_MAX_USD="10").order_min_nano == 10**10


def test_a_test_credit_is_given_in_one_of_three_ways() -> None:
    assert of().test_credit_mode == "automatic"
    for mode in ("automatic", "approval", "off"):
        assert of(TEST_CREDIT_MODE=mode).test_credit_mode == mode
    with pytest.raises(SettingsError, match=r"^TEST_CREDIT_MODE: Input should be 'automatic', 'approval' or 'off'$"):
        of(TEST_CREDIT_MODE="Off")
    assert of(TEST_CREDITS_PER_NETWORK="1000").test_credits_per_network == 1000
    with pytest.raises(SettingsError, match=r"^TEST_CREDITS_PER_NETWORK: Input should be less than or equal to 1000$"):
        of(TEST_CREDITS_PER_NETWORK="1001")


def test_every_malformed_variable_is_named_at_once() -> None:
    with pytest.raises(SettingsError, match=r"^KEYS_TABLE is not set; LOG_LEVEL: .*; IN_FLIGHT_MAX: "):
        of(LOG_LEVEL="loud", IN_FLIGHT_MAX="many", KEYS_TABLE="")


def test_an_environment_has_more_variables_than_ours() -> None:
    settings = of(ENVIRONMENT="production", environment="lower case", REGION="none of ours")
    assert (settings.region, settings.environment["ENVIRONMENT"]) == ("us-east-1", "production")


@pytest.mark.parametrize(
    "name",
    [
        *("IN_FLIGHT_MAX", "KEY_CACHE_S", "API_GATEWAY_IN_FRONT", "LOG_LEVEL", "TEST_CREDIT_USD", "TEST_CREDIT_MODE"),
        *("PROVIDER_SECRET_ARN", "PUBLIC_ORIGINS", "PUBLIC_BASE_URL", "ORDER_RATES", "BANK_DETAILS"),
    ],
)
@pytest.mark.parametrize("value", ["sk-secret", '{"sk-secret":"1"}', '[{"label":"sk-secret"}]'])
def test_no_value_is_quoted_wherever_a_secret_was_pasted(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: ") as caught:
        of(**{name: value}, OPENAI_API_KEY="sk-secret")
    assert "sk-" not in str(caught.value)
    assert caught.value.__context__ is None
    assert "sk-" not in repr(of(OPENAI_API_KEY="sk-secret"))


def test_rates_are_exact() -> None:
    rates = of(ORDER_RATES='{"USD":"1","SGD":"0.74","JPY":"0.0067"}').order_rates
    assert rates == {"USD": NANO_PER_USD, "SGD": 740_000_000, "JPY": 6_700_000}
    assert of().order_rates == {"USD": NANO_PER_USD}


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "[]", "1", '{"usd":"1"}', '{"USD":1}', '{"USD":"0"}', '{"USD":"-1"}', '{"USD":"x"}'),
        *('{"USD":"1001"}', '{"USD":"0.0000000001"}', '{"DOLLAR":"1"}', "not JSON"),
    ],
)
def test_a_rate_that_is_none_stops_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^ORDER_RATES: "):
        of(ORDER_RATES=text)


def test_bank_details_are_labels_and_values() -> None:
    assert of(BANK_DETAILS='[{"label":"IBAN","value":"SG1"}]').bank_details == (BankDetail("IBAN", "SG1"),)
    assert of(BANK_DETAILS="").bank_details is None
    assert of(BANK_DETAILS="[]").bank_details is None


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "[1]", '[{"label":"a"}]', '[{"label":"a","value":1}]', '[{"label":"","value":"b"}]'),
        '[{"label":"a","value":"b","more":"c"}]',
    ],
)
def test_bank_details_of_another_shape_stop_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^BANK_DETAILS: "):
        of(BANK_DETAILS=text)
