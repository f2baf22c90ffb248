"""The official SDKs, embeddings and moderations: the very vectors of the provider, whatever the format on the way."""

from array import array
from base64 import b64decode
from decimal import Decimal

import pytest

from local.demo_upstream.texts import Text, vector
from tests.e2e.support.prices import embedding_small
from tests.e2e.support.sdks import SdkRun

LENGTH = 1536
SHOWN = 8
WORDS = "one two three"


@pytest.mark.parametrize(
    ("scenario", "inputs", "tokens", "length"),
    [
        ("embedding_of_a_text", [WORDS], 3, LENGTH),
        ("embedding_of_texts", [WORDS, "four"], 4, LENGTH),
        ("embedding_of_tokens", [(1, 2, 3)], 3, LENGTH),
        ("embedding_of_token_lists", [(1, 2), (3,)], 3, LENGTH),
        ("embedding_in_floats", [WORDS], 3, SHOWN),
    ],
)
def test_each_input_has_its_vector_and_costs_its_tokens(
    sdk: SdkRun, scenario: str, inputs: list[Text], tokens: int, length: int
) -> None:
    facts = sdk[scenario]
    assert facts["lengths"] == [length] * len(inputs)
    assert facts["starts"] == [list(vector(one, length)[:SHOWN]) for one in inputs]
    cost = embedding_small(tokens)
    usage = facts["usage"]
    assert (usage["prompt_tokens"], usage["total_tokens"], Decimal(str(usage["cost"]))) == (tokens, tokens, cost)
    row = sdk.paid(scenario, cost)
    assert (row["endpoint"], row["usage"]["prompt_tokens"], row["usage_source"]) == ("embeddings", tokens, "upstream")


def test_base64_that_was_asked_for_is_little_endian_float32(sdk: SdkRun) -> None:
    encoded = sdk["embedding_in_base64"]["encoded"]
    assert array("f", b64decode(encoded)) == vector(WORDS, SHOWN)
    sdk.paid("embedding_in_base64", embedding_small(3))


def test_moderation_flags_and_is_free_and_still_has_a_row(sdk: SdkRun) -> None:
    facts = sdk["moderation"]
    assert (facts["flagged"], facts["hate"]) == ([True, False], [True, False])
    row = sdk.paid("moderation", Decimal(0))
    assert (row["endpoint"], row["model"], row["ended"]) == ("moderations", "omni-moderation-latest", "complete")
