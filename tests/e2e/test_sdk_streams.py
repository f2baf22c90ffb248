"""The official SDKs, streamed: whole answers are whole, and broken ones never look whole. Runs once per SDK."""

from decimal import Decimal

import pytest

from tests.e2e.support.prices import DEMO
from tests.e2e.support.sdks import SdkRun
from tests.e2e.support.waiting import until
from tests.e2e.test_sdk_answers import SAID, WEATHER_CALLS

FIRST_THREE_WORDS = "Hello from the"


def test_a_stream_has_text_role_and_finish_once_and_no_usage_key(sdk: SdkRun) -> None:
    facts = sdk["stream"]
    assert (facts["text"], facts["roles"], facts["finishes"]) == (SAID, ["assistant"], ["stop"])
    assert (facts["usages"], facts["failure"]) == ([], None)
    assert facts["chunks"] == 1 + 10 + 1


def test_usage_that_was_asked_for_comes_last_with_its_cost_and_is_null_before(sdk: SdkRun) -> None:
    facts = sdk["stream_usage"]
    *before, usage = facts["usages"]
    assert before == [None] * 12
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (7, 10)
    assert Decimal(str(usage["cost"])) == DEMO.of(prompt=7, completion=10)
    assert (facts["text"], facts["failure"]) == (SAID, None)


def test_interleaved_choices_are_told_apart(sdk: SdkRun) -> None:
    assert sdk["stream_choices"] == {"texts": [SAID, SAID]}


def test_keep_alives_do_not_disturb(sdk: SdkRun) -> None:
    facts = sdk["silence"]
    assert (facts["text"], facts["finishes"], facts["failure"]) == ("Hello from", ["stop"], None)


@pytest.mark.parametrize("scenario", ["stream_tools", "stream_tools_raw"])
def test_the_stream_helper_puts_tool_calls_together(sdk: SdkRun, scenario: str) -> None:
    assert sdk[scenario] == {"calls": WEATHER_CALLS, "finish": "tool_calls"}


@pytest.mark.parametrize("scenario", ["failed_midstream", "cut", "ended_early"])
def test_a_failure_in_midstream_is_an_api_error_with_our_code_after_the_text_so_far(sdk: SdkRun, scenario: str) -> None:
    facts = sdk[scenario]
    failure = facts["failure"]
    assert (failure["class"], failure["code"], failure["type"]) == ("APIError", "upstream_error", "server_error")
    assert (facts["text"], facts["finishes"]) == (FIRST_THREE_WORDS, [])


def test_a_stream_that_the_client_leaves_is_charged_to_its_end(sdk: SdkRun) -> None:
    facts = sdk["cancelled"]
    assert facts["seen"] == 3
    # The row is written when the provider is drained, and a request for it waits only a little.
    until(
        lambda: sdk.customer.get(f"/usage/{facts['request_id']}").status_code == 200,
        20,
        "the abandoned stream was settled",
    )
    row = sdk.customer.usage_row(facts["request_id"])
    assert (row["ended"], row["usage_source"]) == ("complete", "upstream")
    assert (row["usage"]["prompt_tokens"], row["usage"]["completion_tokens"]) == (7, 40)
    assert Decimal(row["cost"]) == DEMO.of(prompt=7, completion=40)
