"""One failure of each kind: the SDK's exception, its members, and how often the SDK tried."""

from collections.abc import Callable
from functools import partial
from typing import Any

from openai import Omit

from tests.e2e.sdk_python.facts import WORDS, Facts, Target


def no_key(target: Target) -> Facts:
    return target.failure(_chat(target, fields={"extra_headers": {"Authorization": Omit()}}))


def wrong_key(target: Target) -> Facts:
    return target.failure(_chat(target, key="wrong_key"))


def poor(target: Target) -> Facts:
    return target.failure(_chat(target, key="poor_key", fields={"max_tokens": 8000}))


def model_not_allowed(target: Target) -> Facts:
    return target.failure(_chat(target, "demo-slow", key="limited_key"))


def model_not_found(target: Target) -> Facts:
    return target.failure(_chat(target, "no/such:model"))


def retrieve_unknown(target: Target) -> Facts:
    return target.failure(lambda: target.client().models.retrieve("no/such:model"))


def invalid(target: Target) -> Facts:
    return target.failure(_chat(target, fields={"n": -3}))


def refused_by_provider(target: Target) -> Facts:
    return target.failure(_chat(target, "demo-error-400"))


def limited(target: Target) -> Facts:
    """A key of one request per minute: the second call at the latest."""
    client = target.client("crowded_key", max_retries=0)
    call = partial(client.chat.completions.create, model="demo-chat", messages=WORDS)
    first = target.failure(call)
    return first if first["class"] else target.failure(call)


def limited_by_provider(target: Target) -> Facts:
    return target.failure(_chat(target, "demo-error-429"))


def provider_failed(target: Target) -> Facts:
    return target.failure(_chat(target, "demo-error-500"))


def provider_sent_html(target: Target) -> Facts:
    return target.failure(_chat(target, "demo-error-html", max_retries=0))


def provider_refused_us(target: Target) -> Facts:
    """Our key at the provider is broken: never the customer's 401."""
    return target.failure(_chat(target, "demo-error-401", max_retries=0))


def stream_refused(target: Target) -> Facts:
    """An error before the first event of a stream is an ordinary HTTP error."""
    return target.failure(_chat(target, "demo-first-event-error", max_retries=0, fields={"stream": True}))


def timed_out(target: Target) -> Facts:
    """The gateway's own deadline; the provider may have worked, so no SDK may simply try again."""
    return target.failure(_chat(target, "demo-hang", key="hasty_key", url="hasty_url"))


def _chat(
    target: Target,
    model: str = "demo-chat",
    *,
    key: str = "api_key",
    url: str = "base_url",
    fields: dict[str, Any] | None = None,
    **options: Any,
) -> Callable[[], object]:
    client = target.client(key, url, **options)
    return partial(client.chat.completions.create, model=model, messages=WORDS, **(fields or {}))


SCENARIOS = (
    no_key,
    wrong_key,
    poor,
    model_not_allowed,
    model_not_found,
    retrieve_unknown,
    invalid,
    refused_by_provider,
    limited,
    limited_by_provider,
    provider_failed,
    provider_sent_html,
    provider_refused_us,
    stream_refused,
    timed_out,
)
