"""Settings: one typed object made from a mapping; a bad value stops the start and names its variable."""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from .money import NANO_PER_USD, MoneyError, usd_to_nano

T = TypeVar("T")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?")
_SECRET_ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+")
# API Gateway ends an answer after five minutes of silence; what is left is for settling and for its own overhead.
SILENCE_MAX_S = 285.0


class SettingsError(ValueError):
    """An environment variable is missing or malformed; the message names it."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What the environment says about one provider; both None when it says nothing."""

    api_key: str | None
    base_url: str | None


@dataclass(frozen=True, slots=True)
class BankDetail:
    """One line of the payee's details, such as ("IBAN", "…")."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the functions read from their environment. Times in seconds."""

    keys_table: str
    balances_table: str
    usage_table: str
    credits_table: str
    catalog_table: str
    limits_table: str
    audit_table: str
    reports_table: str
    adjustments_table: str
    adjustment_four_eyes_nano: int
    payload_bucket: str
    fallback_queue_url: str
    region: str
    aws_endpoint_url: str | None
    log_level: str
    metrics_namespace: str
    provider_secret_arn: str | None
    markup_basis_points: int
    account_requests_per_minute: int
    account_tokens_per_minute: int
    ip_requests_per_minute: int
    ip_failed_auth_per_minute: int
    in_flight_max: int
    function_timeout_s: float
    deadline_margin_s: float
    api_gateway_in_front: bool
    whole_answer_timeout_s: float
    first_byte_timeout_s: float
    hold_margin_s: float
    sweep_margin_s: float
    keep_alive_s: float
    key_cache_s: float
    catalog_cache_s: float
    body_bytes_max: int
    upload_bytes_max: int
    upload_url_expires_s: int
    result_url_expires_s: int
    inline_result_bytes_max: int
    user_pool_id: str | None
    user_pool_client_id: str | None
    test_credit_nano: int
    test_credit_mode: Literal["automatic", "approval", "off"]
    test_credits_per_network: int
    public_origins: frozenset[str]
    public_base_url: str | None
    ip_sign_in_attempts: int
    email_sign_in_attempts: int
    ip_mails_per_hour: int
    email_mails_per_hour: int
    orders_table: str
    order_rates: Mapping[str, int]
    order_min_nano: int
    order_max_nano: int
    order_ttl_s: int
    orders_open_max: int
    legal_entity: str
    bank_details: tuple[BankDetail, ...] | None
    recharge_state_machine_arn: str | None
    admin_topic_arn: str | None
    admin_email: str | None
    notice_sender: str | None
    environment: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.order_min_nano > self.order_max_nano:
            raise SettingsError("ORDER_MIN_USD is above ORDER_MAX_USD")
        for name, seconds in (
            ("WHOLE_ANSWER_TIMEOUT_S", self.whole_answer_timeout_s),
            ("FIRST_BYTE_TIMEOUT_S", self.first_byte_timeout_s),
        ):
            if self.api_gateway_in_front and seconds > SILENCE_MAX_S:
                raise SettingsError(
                    f"{name} is above {SILENCE_MAX_S:.0f}: API Gateway cuts an answer that is silent for 300 seconds. "
                    "Where none stands in front, set API_GATEWAY_IN_FRONT=false"
                )

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Settings":
        """Raises SettingsError."""
        return cls(
            keys_table=_text(env, "KEYS_TABLE"),
            balances_table=_text(env, "BALANCES_TABLE"),
            usage_table=_text(env, "USAGE_TABLE"),
            credits_table=_text(env, "CREDITS_TABLE"),
            catalog_table=_text(env, "CATALOG_TABLE"),
            limits_table=_text(env, "LIMITS_TABLE"),
            audit_table=_text(env, "AUDIT_TABLE"),
            reports_table=_text(env, "REPORTS_TABLE"),
            adjustments_table=_text(env, "ADJUSTMENTS_TABLE"),
            adjustment_four_eyes_nano=_usd(env, "ADJUSTMENT_FOUR_EYES_USD", "100"),
            payload_bucket=_text(env, "PAYLOAD_BUCKET"),
            fallback_queue_url=_text(env, "FALLBACK_QUEUE_URL"),
            region=_text(env, "AWS_REGION", env.get("AWS_DEFAULT_REGION")),
            aws_endpoint_url=env.get("AWS_ENDPOINT_URL") or None,
            log_level=_text(env, "LOG_LEVEL", "INFO"),
            metrics_namespace=_text(env, "METRICS_NAMESPACE", "MultiConnection"),
            provider_secret_arn=_secret_arn(env, "PROVIDER_SECRET_ARN"),
            markup_basis_points=_integer(env, "MARKUP_BASIS_POINTS", 0, least=0),
            account_requests_per_minute=_integer(env, "ACCOUNT_REQUESTS_PER_MINUTE", 3000),
            account_tokens_per_minute=_integer(env, "ACCOUNT_TOKENS_PER_MINUTE", 2_000_000),
            ip_requests_per_minute=_integer(env, "IP_REQUESTS_PER_MINUTE", 12_000),
            ip_failed_auth_per_minute=_integer(env, "IP_FAILED_AUTH_PER_MINUTE", 60),
            in_flight_max=_integer(env, "IN_FLIGHT_MAX", 256),
            function_timeout_s=_number(env, "FUNCTION_TIMEOUT_S", 900),
            deadline_margin_s=_number(env, "DEADLINE_MARGIN_S", 15),
            api_gateway_in_front=_flag(env, "API_GATEWAY_IN_FRONT", "true"),
            whole_answer_timeout_s=_number(env, "WHOLE_ANSWER_TIMEOUT_S", 285),
            first_byte_timeout_s=_number(env, "FIRST_BYTE_TIMEOUT_S", 240),
            hold_margin_s=_number(env, "HOLD_MARGIN_S", 120),
            sweep_margin_s=_number(env, "SWEEP_MARGIN_S", 60),
            keep_alive_s=_number(env, "KEEP_ALIVE_S", 15),
            key_cache_s=_number(env, "KEY_CACHE_S", 5),
            catalog_cache_s=_number(env, "CATALOG_CACHE_S", 60),
            body_bytes_max=_integer(env, "BODY_BYTES_MAX", 6 * 1024 * 1024),
            upload_bytes_max=_integer(env, "UPLOAD_BYTES_MAX", 64 * 1024 * 1024),
            upload_url_expires_s=_integer(env, "UPLOAD_URL_EXPIRES_S", 900),
            result_url_expires_s=_integer(env, "RESULT_URL_EXPIRES_S", 3600),
            inline_result_bytes_max=_integer(env, "INLINE_RESULT_BYTES_MAX", 20 * 1024 * 1024),
            user_pool_id=_optional(env, "USER_POOL_ID"),
            user_pool_client_id=_optional(env, "USER_POOL_CLIENT_ID"),
            test_credit_nano=_usd(env, "TEST_CREDIT_USD", "1.00"),
            test_credit_mode=_credit_mode(env, "TEST_CREDIT_MODE", "automatic"),
            test_credits_per_network=_integer(env, "TEST_CREDITS_PER_NETWORK", 5, most=1000),
            public_origins=_origins(env, "PUBLIC_ORIGINS"),
            public_base_url=_base_url(env, "PUBLIC_BASE_URL"),
            ip_sign_in_attempts=_integer(env, "IP_SIGN_IN_ATTEMPTS", 60),
            email_sign_in_attempts=_integer(env, "EMAIL_SIGN_IN_ATTEMPTS", 10),
            ip_mails_per_hour=_integer(env, "IP_MAILS_PER_HOUR", 30),
            email_mails_per_hour=_integer(env, "EMAIL_MAILS_PER_HOUR", 6),
            orders_table=_text(env, "ORDERS_TABLE"),
            order_rates=_parsed(env, "ORDER_RATES", '{"USD":"1"}', parse_rates),
            order_min_nano=_usd(env, "ORDER_MIN_USD", "5"),
            order_max_nano=_usd(env, "ORDER_MAX_USD", "50000"),
            order_ttl_s=_integer(env, "ORDER_TTL_S", 7 * 24 * 3600),
            orders_open_max=_integer(env, "ORDERS_OPEN_MAX", 10),
            legal_entity=_text(env, "LEGAL_ENTITY", LEGAL_ENTITY),
            bank_details=_parsed(env, "BANK_DETAILS", "[]", parse_bank_details),
            recharge_state_machine_arn=_optional(env, "RECHARGE_STATE_MACHINE_ARN"),
            admin_topic_arn=_optional(env, "ADMIN_TOPIC_ARN"),
            admin_email=_optional(env, "ADMIN_EMAIL"),
            notice_sender=_optional(env, "NOTICE_SENDER"),
            environment=env,
        )

    @classmethod
    def from_environment(cls) -> "Settings":
        """The process environment, named here and nowhere else."""
        return cls.of(os.environ)

    def completed_by(self, secret: Mapping[str, str]) -> "Settings":
        """With a secret's values under the environment's: what is set there wins."""
        own = {name: value for name, value in self.environment.items() if value}
        return replace(self, environment={**secret, **own})

    @property
    def upload_origin(self) -> str:
        """Where presigned URLs of the payload bucket lead: scheme and host."""
        if self.aws_endpoint_url:
            parts = urlsplit(self.aws_endpoint_url)
            return f"{parts.scheme}://{parts.netloc}"
        domain = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return f"https://{self.payload_bucket}.s3.{self.region}.{domain}"

    def provider(self, env_prefix: str) -> ProviderSettings:
        """`<PREFIX>_API_KEY` and `<PREFIX>_BASE_URL`."""
        return ProviderSettings(
            api_key=self.environment.get(f"{env_prefix}_API_KEY") or None,
            base_url=(self.environment.get(f"{env_prefix}_BASE_URL") or "").rstrip("/") or None,
        )


def _text(env: Mapping[str, str], name: str, default: str | None = None) -> str:
    value = env.get(name) or default
    if not value:
        raise SettingsError(f"{name} is not set")
    return value


def _optional(env: Mapping[str, str], name: str) -> str | None:
    return env.get(name) or None


def _usd(env: Mapping[str, str], name: str, default: str) -> int:
    """In n$."""
    try:
        value = usd_to_nano(env.get(name) or default)
    except MoneyError as exc:
        raise SettingsError(f"{name} is no amount in USD: {env.get(name)!r}") from exc
    if value < 0:
        raise SettingsError(f"{name} is less than 0: {env.get(name)!r}")
    return value


def _base_url(env: Mapping[str, str], name: str) -> str | None:
    url = (env.get(name) or "").rstrip("/")
    if url and not (url.startswith(("https://", "http://")) and url.endswith("/v1")):
        raise SettingsError(f"{name} is no URL that ends in /v1: {url!r}")
    return url or None


def _origins(env: Mapping[str, str], name: str) -> frozenset[str]:
    """Separated by spaces or commas."""
    found = frozenset((env.get(name) or "").replace(",", " ").lower().split())
    if bad := [origin for origin in found if not _ORIGIN.fullmatch(origin)]:
        raise SettingsError(f"{name} holds something that is no origin: {bad[0]!r}")
    return found


def _parsed(env: Mapping[str, str], name: str, default: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(env.get(name) or default)
    except ValueError as exc:
        raise SettingsError(f"{name}: {exc}") from exc


def _secret_arn(env: Mapping[str, str], name: str) -> str | None:
    arn = env.get(name) or None
    if arn is not None and not _SECRET_ARN.fullmatch(arn):
        raise SettingsError(f"{name} is not the ARN of a Secrets Manager secret: {arn!r}")
    return arn


def _credit_mode(env: Mapping[str, str], name: str, default: str) -> Literal["automatic", "approval", "off"]:
    match env.get(name) or default:
        case "automatic" | "approval" | "off" as mode:
            return mode
        case other:
            raise SettingsError(f"{name} is none of automatic, approval and off: {other!r}")


def _integer(env: Mapping[str, str], name: str, default: int, least: int = 1, most: int | None = None) -> int:
    try:
        value = int(env.get(name) or default)
    except ValueError as exc:
        raise SettingsError(f"{name} is not a whole number: {env[name]!r}") from exc
    if value < least:
        raise SettingsError(f"{name} is {value}, less than {least}")
    if most is not None and value > most:
        raise SettingsError(f"{name} is {value}, more than {most}")
    return value


def _flag(env: Mapping[str, str], name: str, default: str) -> bool:
    value = (env.get(name) or default).lower()
    if value not in ("true", "false"):
        raise SettingsError(f"{name} is neither true nor false: {env[name]!r}")
    return value == "true"


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(env.get(name) or default)
    except ValueError as exc:
        raise SettingsError(f"{name} is not a number: {env[name]!r}") from exc
    if not 0 < value < 10**6:
        raise SettingsError(f"{name} is out of range: {value}")
    return value


LEGAL_ENTITY = "MULTIVERSE CONNECTION TECHNOLOGY PTE. LTD."
_CURRENCY = re.compile(r"[A-Z]{3}")


def parse_rates(text: str) -> Mapping[str, int]:
    """`{"USD":"1","SGD":"0.74"}`: USD credited for one unit. Raises ValueError."""
    found = json.loads(text)
    if not isinstance(found, dict) or not found:
        raise ValueError("a JSON object of currencies and rates is expected")
    rates = {}
    for code, rate in found.items():
        if not _CURRENCY.fullmatch(code) or not isinstance(rate, str):
            raise ValueError(f"{code!r}: a currency such as SGD and a decimal string are expected")
        rates[code] = usd_to_nano(rate)
        if not 0 < rates[code] <= 1000 * NANO_PER_USD:
            raise ValueError(f"{code}: a rate of {rate} is out of range")
    return rates


def parse_bank_details(text: str) -> tuple[BankDetail, ...] | None:
    """`[{"label":"Bank","value":"…"}]`; an empty text or list is None. Raises ValueError."""
    found = json.loads(text) if text.strip() else []
    if not isinstance(found, list):
        raise ValueError("a JSON list is expected")
    return tuple(_bank_detail(entry) for entry in found) or None


def _bank_detail(entry: object) -> BankDetail:
    if not isinstance(entry, dict) or entry.keys() != {"label", "value"}:
        raise ValueError("each bank detail is an object of label and value")
    label, value = entry["label"], entry["value"]
    if not isinstance(label, str) or not isinstance(value, str) or not label or not value:
        raise ValueError("label and value of a bank detail are texts")
    return BankDetail(label, value)
