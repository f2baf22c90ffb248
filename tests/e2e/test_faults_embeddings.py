"""Embeddings and completions of providers that answer in another way than asked, or not at all."""

from array import array
from base64 import b64decode
from decimal import Decimal
from typing import Any

import pytest

from local.demo_upstream.texts import vector
from tests.e2e.support.customers import Customer
from tests.e2e.support.prices import DEMO, embedding_small

FREE = "0.000000000"
SMALL = "text-embedding-3-small"
WORDS = "one two three"
LENGTH = 8
WANTED: dict[str, Any] = {"model": SMALL, "input": [WORDS, "four"], "dimensions": LENGTH}


@pytest.mark.parametrize("behaviour", ["always-floats", "always-base64"])
@pytest.mark.parametrize("asked", ["float", "base64"])
def test_the_vectors_have_the_asked_format_whatever_the_provider_does(
    hasty: Customer, behaviour: str, asked: str
) -> None:
    before = hasty.available()
    answer = hasty.post("/embeddings", json=WANTED | {"model": f"{SMALL}+{behaviour}", "encoding_format": asked})
    found = [one["embedding"] for one in answer.json()["data"]]
    vectors = [array("f", b64decode(one) if isinstance(one, str) else one) for one in found]
    assert {type(one) for one in found} == {str if asked == "base64" else list}
    assert vectors == [vector(WORDS, LENGTH), vector("four", LENGTH)]
    assert Decimal(hasty.charged(answer, before)["cost"]) == embedding_small(4)


@pytest.mark.parametrize("behaviour", ["no-data", "fewer", "bad-base64"])
def test_an_answer_without_its_vectors_is_an_error_and_free(hasty: Customer, behaviour: str) -> None:
    before = hasty.available()
    answer = hasty.post("/embeddings", json=WANTED | {"model": f"{SMALL}+{behaviour}", "encoding_format": "base64"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
    assert hasty.charged(answer, before)["cost"] == FREE


@pytest.mark.parametrize("behaviour", ["no-usage", "usage-huge", "usage-negative", "usage-string"])
def test_usage_that_is_none_is_estimated_from_the_input(hasty: Customer, behaviour: str) -> None:
    before = hasty.available()
    answer = hasty.post("/embeddings", json=WANTED | {"model": f"{SMALL}+{behaviour}"})
    row = hasty.charged(answer, before, overrun=behaviour == "usage-huge")
    # Four bytes of each text are a token: 13 and 4 of them.
    assert (row["usage_source"], row["usage"]["prompt_tokens"]) == ("estimated", 4 + 1)
    assert (answer.json()["usage"]["estimated"], Decimal(row["cost"])) == (True, embedding_small(5))


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [""]}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": ["one", [1]]}, "input"),
        ({"input": [1.5]}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"dimensions": 0}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"model": "demo-chat"}, "model"),
    ],
)
def test_a_wrong_wish_is_refused_before_any_hold(demo: Customer, changes: dict[str, Any], param: str) -> None:
    answer = demo.post("/embeddings", json=WANTED | changes)
    assert answer.status_code == 400, answer.text
    assert str(answer.json()["error"]["param"]).startswith(param)
    assert demo.get(f"/usage/{answer.headers['x-request-id']}").status_code == 404


@pytest.mark.parametrize(
    ("model", "ended"), [("demo-fail-midstream", "mid_stream_error"), ("demo-cut", "mid_stream_error")]
)
def test_a_streamed_completion_that_breaks_off_has_no_done_and_is_free(demo: Customer, model: str, ended: str) -> None:
    before = demo.available()
    answer = demo.post("/completions", json={"model": model, "prompt": WORDS, "stream": True})
    assert '"code":"upstream_error"' in answer.text
    assert "[DONE]" not in answer.text
    row = demo.charged(answer, before)
    assert (row["ended"], row["cost"]) == (ended, FREE)


def test_every_candidate_of_a_completion_is_paid_for(demo: Customer) -> None:
    before = demo.available()
    body = {"model": "demo-chat", "prompt": [WORDS, "four five six"], "n": 1, "best_of": 3, "max_tokens": 4}
    answer = demo.post("/completions", json=body)
    assert [choice["finish_reason"] for choice in answer.json()["choices"]] == ["length"] * 2
    assert Decimal(demo.charged(answer, before)["cost"]) == DEMO.of(prompt=6, completion=2 * 3 * 4)


def test_the_books_are_right_after_all_of_this(demo: Customer, hasty: Customer) -> None:
    demo.stack.assert_books_are_right()
    hasty.stack.assert_books_are_right()
