"""Settings: one typed object made from environment variables; a bad value stops the start and names its variable."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    SkipValidation,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from .money import NANO_PER_USD, MoneyError, usd_to_nano

# API Gateway ends an answer after five minutes of silence; what is left is for settling and for its own overhead.
SILENCE_MAX_S = 285.0
LEGAL_ENTITY = "MULTIVERSE CONNECTION TECHNOLOGY PTE. LTD."
CreditMode = Literal["automatic", "approval", "off"]


class SettingsError(ValueError):
    """An environment variable is missing or malformed; the message names it and never quotes its value."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The variables of one provider; None where one is not set."""

    api_key: str | None
    base_url: str | None


@dataclass(frozen=True, slots=True)
class BankDetail:
    """One line of the payee's details, such as ("IBAN", "…")."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    label: Annotated[str, Field(min_length=1)]
    value: Annotated[str, Field(min_length=1)]


def _usd(text: str) -> int:
    try:
        return usd_to_nano(text)
    except MoneyError as exc:
        raise ValueError("an amount in USD with at most nine decimals is expected, as text") from exc


def _rate(nano: int) -> int:
    if not 0 < nano <= 1000 * NANO_PER_USD:
        raise ValueError("a rate is above 0 and at most 1000")
    return nano


def _base_url(url: str) -> str:
    url = url.rstrip("/")
    if not url.startswith(("https://", "http://")) or not url.endswith("/v1"):
        raise ValueError("a URL that ends in /v1 is expected")
    return url


def _words(text: str) -> list[str]:
    """Separated by spaces or commas."""
    return text.replace(",", " ").lower().split()


Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, lt=10**6)]
Usd = Annotated[int, BeforeValidator(_usd), Field(ge=0)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
Rate = Annotated[Usd, AfterValidator(_rate)]
Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$")]
SecretArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[\w/+=.@-]+$")]


def _variable(field: str) -> str:
    return field.upper().replace("_NANO", "_USD")


class Settings(BaseModel):
    """Everything that the functions read from their environment. An empty variable counts as one that is not set.

    A field is read from the variable of its name in capitals; an amount is written in USD (`_USD`) and kept in n$
    (`_nano`).
    """

    model_config = ConfigDict(frozen=True, alias_generator=_variable, hide_input_in_errors=True)

    keys_table: str
    balances_table: str
    usage_table: str
    credits_table: str
    catalog_table: str
    limits_table: str
    audit_table: str
    reports_table: str
    adjustments_table: str
    orders_table: str
    payload_bucket: str
    fallback_queue_url: str
    region: str = Field(alias="AWS_REGION", validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"))
    aws_endpoint_url: str | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    metrics_namespace: str = "MultiConnection"
    provider_secret_arn: SecretArn | None = None
    markup_basis_points: Annotated[int, Field(ge=0)] = 0
    account_requests_per_minute: Count = 3000
    account_tokens_per_minute: Count = 2_000_000
    ip_requests_per_minute: Count = 12_000
    ip_failed_auth_per_minute: Count = 60
    in_flight_max: Count = 256
    function_timeout_s: Seconds = 900
    deadline_margin_s: Seconds = 15
    api_gateway_in_front: bool = True
    whole_answer_timeout_s: Seconds = 285
    first_byte_timeout_s: Seconds = 240
    hold_margin_s: Seconds = 120
    sweep_margin_s: Seconds = 60
    keep_alive_s: Seconds = 15
    key_cache_s: Seconds = 5
    catalog_cache_s: Seconds = 60
    body_bytes_max: Count = 6 * 1024 * 1024
    upload_bytes_max: Count = 64 * 1024 * 1024
    upload_url_expires_s: Count = 900
    result_url_expires_s: Count = 3600
    inline_result_bytes_max: Count = 20 * 1024 * 1024
    user_pool_id: str | None = None
    user_pool_client_id: str | None = None
    public_origins: Annotated[frozenset[Origin], BeforeValidator(_words)] = frozenset()
    public_base_url: Annotated[str, AfterValidator(_base_url)] | None = None
    adjustment_four_eyes_nano: Usd = 100 * NANO_PER_USD
    test_credit_nano: Usd = 1 * NANO_PER_USD
    test_credit_mode: CreditMode = "automatic"
    test_credits_per_network: Annotated[int, Field(ge=1, le=1000)] = 5
    ip_sign_in_attempts: Count = 60
    email_sign_in_attempts: Count = 10
    ip_mails_per_hour: Count = 30
    email_mails_per_hour: Count = 6
    order_rates: Json[Annotated[dict[Currency, Rate], Field(min_length=1)]] = {"USD": NANO_PER_USD}
    order_min_nano: Usd = 5 * NANO_PER_USD
    order_max_nano: Usd = 50_000 * NANO_PER_USD
    order_ttl_s: Count = 7 * 24 * 3600
    orders_open_max: Count = 10
    legal_entity: str = LEGAL_ENTITY
    bank_details: Annotated[Json[tuple[BankDetail, ...]] | None, AfterValidator(lambda found: found or None)] = None
    recharge_state_machine_arn: str | None = None
    admin_topic_arn: str | None = None
    admin_email: str | None = None
    notice_sender: str | None = None
    environment: Annotated[Mapping[str, str], SkipValidation] = Field(alias="environment", repr=False)
    """Every variable, set or empty: those of the providers are read from here."""

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Settings":
        """Raises SettingsError."""
        variables = {name: value for name, value in env.items() if value}
        try:
            return cls.model_validate({**variables, "environment": env})
        except ValidationError as exc:
            problems = [_problem(error) for error in exc.errors(include_url=False, include_input=False)]
        # Raised out here, so that no traceback leads to the values.
        raise SettingsError("; ".join(problems))

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the process environment, named here and nowhere else."""
        return cls.of(os.environ)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.order_min_nano > self.order_max_nano:
            raise ValueError("ORDER_MIN_USD is above ORDER_MAX_USD")
        for name in ("whole_answer_timeout_s", "first_byte_timeout_s"):
            if self.api_gateway_in_front and getattr(self, name) > SILENCE_MAX_S:
                raise ValueError(
                    f"{name.upper()} is above {SILENCE_MAX_S:.0f}: API Gateway ends an answer that is silent for "
                    "300 seconds. Where none stands in front, set API_GATEWAY_IN_FRONT=false"
                )
        return self

    def completed_by(self, secret: Mapping[str, str]) -> Self:
        """With a secret's values under the environment's: what is set there wins."""
        own = {name: value for name, value in self.environment.items() if value}
        return self.model_copy(update={"environment": {**secret, **own}})

    @property
    def upload_origin(self) -> str:
        """Scheme and host of the payload bucket's presigned URLs."""
        if self.aws_endpoint_url:
            parts = urlsplit(self.aws_endpoint_url)
            return f"{parts.scheme}://{parts.netloc}"
        return f"https://{self.payload_bucket}.s3.{self.region}.{aws_domain(self.region)}"

    def provider(self, env_prefix: str) -> ProviderSettings:
        """`<PREFIX>_API_KEY` and `<PREFIX>_BASE_URL`."""
        return ProviderSettings(
            api_key=self.environment.get(f"{env_prefix}_API_KEY") or None,
            base_url=(self.environment.get(f"{env_prefix}_BASE_URL") or "").rstrip("/") or None,
        )


def aws_domain(region: str) -> str:
    """The domain of AWS's endpoints: China's regions have one of their own."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def _problem(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return message
    # What lies deeper may be a key out of the value, which could be anything.
    variable, *inside = error["loc"]
    return f"{variable} is not set" if error["type"] == "missing" and not inside else f"{variable}: {message}"
