"""Usage: every token in one priced kind, and OpenAI's spelling, where some kinds are subsets."""

from hypothesis import given
from hypothesis import strategies as st

from multiconnection.domain.usage import USAGE_FIELDS, Usage

usages = st.builds(Usage, **{name: st.integers(min_value=0, max_value=10**9) for name in USAGE_FIELDS})


@given(usages)
def test_what_is_stored_is_what_is_not_zero(usage: Usage) -> None:
    stored = usage.nonzero()
    assert 0 not in stored.values()
    assert Usage(**stored) == usage


@given(usages)
def test_openais_totals_contain_their_subsets(usage: Usage) -> None:
    shown = usage.as_openai()
    assert shown["prompt_tokens"] == usage.prompt_tokens
    assert shown["total_tokens"] == usage.prompt_tokens + usage.completion_tokens
    prompt, completion = shown["prompt_tokens_details"], shown["completion_tokens_details"]
    assert isinstance(prompt, dict)
    assert isinstance(completion, dict)
    assert sum(prompt.values()) <= usage.prompt_tokens
    assert completion["reasoning_tokens"] == usage.reasoning


def test_reasoning_is_information_and_counted_nowhere_twice() -> None:
    usage = Usage(input=10, cached_input=4, output=20, reasoning=15)
    assert (usage.prompt_tokens, usage.completion_tokens) == (14, 20)
    assert usage.as_openai() == {
        "prompt_tokens": 14,
        "completion_tokens": 20,
        "total_tokens": 34,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 15, "audio_tokens": 0},
    }
