"""The usage object of an image answer, as the OpenAI SDKs have it."""

from typing import Any

from multiconnection.domain.usage import Usage, UsageSource


def shown_usage(usage: Usage, source: UsageSource, cost: str) -> dict[str, Any]:
    """Agrees with what is charged. Images that are priced each have no tokens: it tells how many there are."""
    text = usage.input + usage.cached_input
    shown: dict[str, Any] = {
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "input_tokens_details": {"text_tokens": text, "image_tokens": usage.input_image},
        "output_tokens_details": {"text_tokens": usage.output, "image_tokens": usage.output_image},
    }
    if usage.cached_input:
        shown["input_tokens_details"]["cached_tokens"] = usage.cached_input
    if usage.images:
        shown |= {"images": usage.images, "size": usage.image_size, "quality": usage.image_quality}
    shown["cost"] = cost
    return shown | {"estimated": True} if source is UsageSource.ESTIMATED else shown
