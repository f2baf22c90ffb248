"""Usage of each provider in our kinds, and reports that are not charged."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.catalog.models import Quirks
from multiconnection.providers.usage import TOKENS_MAX, likeliest, outcome_of, read_usage, shown_usage, take_usage
from multiconnection.usage import Usage, UsageSource

OPENAI = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 5, "cache_write_tokens": 7},
    "completion_tokens_details": {
        "reasoning_tokens": 30,
        "audio_tokens": 4,
        "accepted_prediction_tokens": 2,
        "rejected_prediction_tokens": 3,
    },
}
DEEPSEEK = {
    "prompt_tokens": 100,
    "completion_tokens": 9,
    "total_tokens": 109,
    "prompt_cache_hit_tokens": 64,
    "prompt_cache_miss_tokens": 36,
    "completion_tokens_details": {"reasoning_tokens": 4},
}
XAI = {
    "prompt_tokens": 10120,
    "completion_tokens": 1499,
    "total_tokens": 14428,
    "completion_tokens_details": {"reasoning_tokens": 2809},
}
OPENROUTER = {
    "prompt_tokens": 8,
    "completion_tokens": 3,
    "total_tokens": 11,
    "cost": 0.00014,
    "is_byok": False,
    "cost_details": {"upstream_inference_cost": None},
    "prompt_tokens_details": {"cached_tokens": 0},
}


# Thoughts that only the total has (CLIProxyAPI#5733).
HIDDEN = {
    "prompt_tokens": 21,
    "completion_tokens": 0,
    "total_tokens": 81,
    "completion_tokens_details": {"reasoning_tokens": 60},
}
WHOLE = Quirks(completion_is_whole=True)


@pytest.mark.parametrize(
    ("raw", "quirks", "usage"),
    [
        (
            OPENAI,
            Quirks(),
            Usage(input=28, cached_input=60, cache_write=7, input_audio=5, output=46, output_audio=4, reasoning=30),
        ),
        (DEEPSEEK, Quirks(cached_tokens_field="prompt_cache_hit_tokens"), Usage(36, 64, output=9, reasoning=4)),
        (DEEPSEEK, Quirks(), Usage(36, 64, output=9, reasoning=4)),
        (XAI, Quirks(), Usage(10120, output=4308, reasoning=2809)),
        (XAI, WHOLE, Usage(10120, output=1499, reasoning=1499)),
        (XAI | {"total_tokens": None}, Quirks(), Usage(10120, output=4308, reasoning=2809)),
        (XAI | {"total_tokens": None}, WHOLE, Usage(10120, output=1499, reasoning=1499)),
        (HIDDEN, Quirks(), Usage(21, output=60, reasoning=60)),
        (HIDDEN | {"total_tokens": None}, Quirks(), Usage(21, output=60, reasoning=60)),
        (HIDDEN | {"completion_tokens": None}, WHOLE, Usage(21, output=60, reasoning=60)),
        (HIDDEN | {"total_tokens": 21}, Quirks(), Usage(21)),
        (HIDDEN, WHOLE, Usage(21)),
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 22}, Quirks(), Usage(9, output=13)),
        ({"prompt_tokens": 9, "total_tokens": 22}, Quirks(), Usage(9, output=13)),
        ({"prompt_tokens": 9, "total_tokens": 22}, WHOLE, Usage(9, output=13)),
        ({"prompt_tokens": 9, "completion_tokens": 15}, Quirks(), Usage(9, output=15)),
        ({"prompt_tokens": 9, "completion_tokens": 15, "total_tokens": 3}, Quirks(), Usage(9, output=15)),
        ({"completion_tokens": 15, "total_tokens": 24}, Quirks(), Usage(9, output=15)),
        (OPENROUTER, Quirks(), Usage(8, output=3)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, Quirks(), Usage()),
        ({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": None}, Quirks(), Usage(5, output=1)),
    ],
)
def test_golden_vectors(raw: dict[str, Any], quirks: Quirks, usage: Usage) -> None:
    assert read_usage(raw, quirks) == usage


@pytest.mark.parametrize("bad", [-1, True, 1.5, 10.0, 1e300, "9", [], {"prompt_tokens": 1}])
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens", "total_tokens"])
@pytest.mark.parametrize("quirks", [Quirks(), WHOLE])
def test_a_total_that_is_no_whole_number_voids_the_usage(name: str, bad: object, quirks: Quirks) -> None:
    assert read_usage({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, name: bad}, quirks) is None


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"total_tokens": 9},
        {"prompt_tokens": 9},
        {"completion_tokens": 9},
        {"prompt_tokens": 9, "total_tokens": 8},
        {"completion_tokens": 9, "total_tokens": 8},
    ],
)
def test_what_does_not_say_both_totals_is_no_usage(raw: dict[str, Any]) -> None:
    assert read_usage(raw, Quirks()) is read_usage(raw, WHOLE) is None


@pytest.mark.parametrize("huge", [TOKENS_MAX + 1, 10**30])
def test_a_count_beyond_all_reason_is_counted_as_the_most_there_is(huge: int) -> None:
    """So that it can be recorded; no bound of any call allows it."""
    usage = read_usage({"prompt_tokens": huge, "completion_tokens": huge}, Quirks())
    assert usage == Usage(TOKENS_MAX, output=TOKENS_MAX)


@pytest.mark.parametrize("bad", [-5, True, 2.5, "3", None, {}, 10**12])
def test_a_detail_that_is_no_whole_number_counts_as_none(bad: object) -> None:
    raw = {"prompt_tokens": 4, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": bad}}
    assert read_usage(raw, Quirks()) == Usage(4, output=2)


def test_details_larger_than_their_total_never_make_anything_negative() -> None:
    raw = {
        "prompt_tokens": 10,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 9, "cache_write_tokens": 9},
        "completion_tokens_details": {"audio_tokens": 7, "reasoning_tokens": 99},
    }
    usage = read_usage(raw, WHOLE)
    assert usage == Usage(cached_input=8, input_audio=2, output_audio=3, reasoning=3)
    assert (usage.prompt_tokens, usage.completion_tokens) == (10, 3)


MOST = Usage(input=100, output=50, milliseconds=1000)
ESTIMATE = Usage(input=20, output=9, milliseconds=500)


@pytest.mark.parametrize(
    ("reported", "charged"),
    [
        (Usage(input=100, output=50), Usage(input=100, output=50)),
        (Usage(input=40, cached_input=60, output_audio=50), Usage(input=40, cached_input=60, output_audio=50)),
        (Usage(input=101, output=50, reasoning=7), Usage(input=20, output=50, reasoning=7)),
        (Usage(input=41, cached_input=60, output=5), Usage(input=20, output=5)),
        (Usage(input=9, output=51, reasoning=40), Usage(input=9, output=9)),
        (Usage(input=9, output=41, output_audio=10), Usage(input=9, output=9)),
        (Usage(input=10**9, output=10**9), Usage(input=20, output=9)),
        (Usage(milliseconds=1001), Usage(milliseconds=500)),
    ],
)
def test_each_side_of_a_report_is_believed_up_to_its_bound(reported: Usage, charged: Usage) -> None:
    outcome = outcome_of(reported, MOST, ESTIMATE)
    assert outcome.usage == charged
    if charged == reported:
        assert (outcome.source, outcome.disbelieved) == (UsageSource.UPSTREAM, None)
    else:
        assert (outcome.source, outcome.disbelieved) == (UsageSource.ESTIMATED, reported)


@given(st.builds(Usage, *[st.integers(0, 200)] * 9, milliseconds=st.integers(0, 2000)))
def test_nothing_above_the_bound_is_charged(reported: Usage) -> None:
    usage = outcome_of(reported, MOST, ESTIMATE).usage
    assert not usage.exceeds(MOST)
    assert (usage == reported) == (not reported.exceeds(MOST))


def test_of_several_usages_the_first_that_can_be_right_counts() -> None:
    absurd = {"prompt_tokens": 10**6, "completion_tokens": 1}
    right = {"prompt_tokens": 3, "completion_tokens": 1}
    assert likeliest([{"x": 1}, absurd, right], Quirks(), MOST) == (right, Usage(3, output=1))
    assert likeliest([absurd, {"prompt_tokens": -1}], Quirks(), MOST) == (absurd, Usage(10**6, output=1))
    assert likeliest([], Quirks(), MOST) == ({}, None)


def test_usage_is_found_and_removed_everywhere() -> None:
    chunk = {"usage": None, "x_groq": {"id": "r", "usage": {"prompt_tokens": 1}}, "choices": [{"usage": {"a": 1}}, 3]}
    assert take_usage(chunk) == [{"prompt_tokens": 1}, {"a": 1}]
    assert chunk == {"x_groq": {"id": "r"}, "choices": [{}, 3]}


def test_the_caller_sees_what_is_charged_and_not_what_the_operator_pays() -> None:
    usage = read_usage(OPENROUTER | {"native": 1}, Quirks())
    assert usage is not None
    shown = shown_usage(OPENROUTER | {"native": 1}, usage)
    assert shown["native"] == 1
    assert not {"cost", "is_byok", "cost_details"} & set(shown)
    shown = shown_usage(XAI, Usage(10120, output=4308, reasoning=2809))
    assert shown["completion_tokens"] == 4308
    assert shown["total_tokens"] == 14428
    assert shown_usage(OPENAI, Usage(40, 60, output=50))["completion_tokens_details"]["rejected_prediction_tokens"] == 3
