"""The official SDKs and legacy completions, whole and streamed."""

from decimal import Decimal

from tests.e2e.support.prices import DEMO
from tests.e2e.support.sdks import SdkRun

SAID = " You said: one two three"


def test_a_completion_is_a_text_with_usage_and_cost(sdk: SdkRun) -> None:
    facts = sdk["completion"]
    assert (facts["object"], facts["text"], facts["finish"]) == ("text_completion", SAID, "stop")
    usage = facts["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (3, 5)
    cost = DEMO.of(prompt=3, completion=5)
    assert Decimal(str(usage["cost"])) == cost
    row = sdk.paid("completion", cost)
    assert (row["endpoint"], row["ended"], row["streamed"]) == ("completions", "complete", False)


def test_a_streamed_completion_has_a_text_for_each_prompt_and_usage_last(sdk: SdkRun) -> None:
    facts = sdk["completion_streamed"]
    assert facts["texts"] == [SAID, " You said: four"]
    (usage,) = facts["usages"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (4, 5 + 3)
    cost = DEMO.of(prompt=4, completion=8)
    assert Decimal(str(usage["cost"])) == cost
    assert sdk.paid("completion_streamed", cost)["streamed"] is True
