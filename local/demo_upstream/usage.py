"""The usage objects that providers report, right and wrong ones."""

from collections.abc import Callable
from typing import Any

from local.demo_upstream.answer import Counts

Usage = dict[str, Any]
UsageRule = Callable[[Counts], Usage | None]

HUGE = 10**15


def openai(counts: Counts) -> Usage:
    """OpenAI's object: cached is a part of the prompt, reasoning a part of the completion."""
    return {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.completion,
        "total_tokens": counts.prompt + counts.completion,
        "prompt_tokens_details": {"cached_tokens": counts.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": counts.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def deepseek(counts: Counts) -> Usage:
    """DeepSeek caches by itself and reports hit and miss, which add up to the prompt."""
    hit = counts.prompt // 2
    return {
        **_plain(counts.prompt, counts.completion, counts.prompt + counts.completion),
        "prompt_cache_hit_tokens": hit,
        "prompt_cache_miss_tokens": counts.prompt - hit,
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }


def gemini(counts: Counts) -> Usage:
    """Gemini's thinking is missing in completion_tokens, but not in the total."""
    visible = counts.completion - counts.reasoning
    return _plain(counts.prompt, visible, counts.prompt + counts.completion)


def fixed(prompt: object, completion: object, total: object) -> UsageRule:
    """A rule that reports these values, whatever was counted."""
    return lambda _counts: _plain(prompt, completion, total)


def nothing(_counts: Counts) -> None:
    """Reports no usage."""


def _plain(prompt: object, completion: object, total: object) -> Usage:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
