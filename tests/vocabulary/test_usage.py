"""Usage: every token in one priced kind, and OpenAI's spelling, where some kinds are subsets."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from multiconnection.usage import USAGE_COUNTS, Usage

usages = st.builds(Usage, **{name: st.integers(min_value=0, max_value=10**9) for name in USAGE_COUNTS})


@given(usages)
def test_what_is_stored_is_what_is_not_zero(usage: Usage) -> None:
    stored: dict[str, Any] = usage.nonzero()
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


def test_what_is_not_counted_in_tokens_is_shown_only_where_there_is_any() -> None:
    assert (
        Usage(images=2, image_size="512x512", image_quality="hd").as_openai().items()
        >= {
            "images": 2,
            "size": "512x512",
            "quality": "hd",
        }.items()
    )
    assert Usage(characters=7).as_openai()["characters"] == 7
    assert Usage(milliseconds=2500).as_openai()["seconds"] == 2.5
    assert not {"images", "size", "characters", "seconds"} & Usage(input=1).as_openai().keys()


def test_pictures_are_told_apart_from_text_where_there_are_any() -> None:
    drawn, plain = Usage(input=1, input_image=85, output_image=272).as_openai(), Usage(input=1).as_openai()
    for name, count in (("prompt_tokens_details", 85), ("completion_tokens_details", 272)):
        told, untold = drawn[name], plain[name]
        assert isinstance(told, dict)
        assert isinstance(untold, dict)
        assert told["image_tokens"] == count
        assert "image_tokens" not in untold


def test_words_and_counts_together_are_the_usage() -> None:
    usage = Usage(images=2, image_size="512x512", image_quality="hd", output_image=5)
    stored: dict[str, Any] = {**usage.nonzero(), **usage.words()}
    assert Usage(**stored) == usage
    assert usage.completion_tokens == 5
