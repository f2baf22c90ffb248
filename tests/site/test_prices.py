"""Prices in words, and code that runs as it is shown."""

import ast
import json
import re
from collections.abc import Mapping

import pytest

from multiconnection.catalog.models import KINDS
from multiconnection.site.prices import KIND_NAMES, model_price_lines, price_lines, table_row, tokens, usd
from multiconnection.site.snippets import example_model, snippets


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("2", "$2.00"),
        ("0.075", "$0.075"),
        ("0.10", "$0.10"),
        ("1234.5", "$1,234.50"),
        ("0.0001", "$0.0001"),
        ("0", "$0.00"),
    ],
)
def test_dollars_have_two_decimals_or_as_many_as_there_are(amount: str, shown: str) -> None:
    assert usd(amount) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(128_000, "128K"), (1_047_576, "1.05M"), (1_000_000, "1M"), (512, "512"), (None, ""), (0, "")]
)
def test_windows_are_short(count: int | None, shown: str) -> None:
    assert tokens(count) == shown


def a_model(kind: str, prices: Mapping[str, object]) -> dict[str, object]:
    return {"id": "m", "name": "M", "owned_by": "o", "kind": kind, "context_window": None, "prices": prices}


def test_a_second_is_also_a_minute() -> None:
    assert [(line.amount, line.per) for line in price_lines({"seconds": "0.0001"})] == [
        ("$0.0001", "second"),
        ("$0.006", "minute"),
    ]


def test_every_kind_has_a_name() -> None:
    assert set(KINDS) <= set(KIND_NAMES)


@pytest.mark.parametrize(
    ("kind", "prices", "shown"),
    [
        ("moderation", {}, "Free"),
        ("image", {"images": {"a": {"low": "0.01"}}}, "$0.01 per image"),
        ("speech", {"output_audio": "12.00"}, "$12.00 per 1M audio tokens"),
        ("chat", {"input": "1", "output": "2"}, ""),
    ],
)
def test_what_is_not_priced_by_text_is_one_phrase(kind: str, prices: dict[str, object], shown: str) -> None:
    assert table_row(a_model(kind, prices)).summary == shown


@pytest.mark.parametrize("kind", KINDS)
def test_snippets_are_programs(kind: str) -> None:
    curl, python, javascript = snippets(kind, "acme/m-1", "https://gateway.example/v1")
    ast.parse(python.code)
    for snippet in (curl, python, javascript):
        assert "https://gateway.example/v1" in snippet.code
        assert "acme/m-1" in snippet.code
    body = re.search(r"-d '(.*)'", curl.code, re.DOTALL)
    assert body is None or json.loads(body[1])["model"] == "acme/m-1"


def test_examples_use_a_model_that_is_served() -> None:
    models = [{"id": "a", "kind": "chat"}, {"id": "demo-chat", "kind": "chat"}, {"id": "b", "kind": "image"}]
    assert example_model(models, "chat") == "demo-chat"
    assert example_model(models, "image") == "b"
    assert example_model(models, "speech") is None


LONG = {"long_context": {"above_input_tokens": 272_000, "prices": {"input": "0.20", "output": "0.75"}}}


def test_the_prices_of_long_prompts_are_shown_beside_the_usual_ones() -> None:
    model = a_model("chat", {"input": "0.10", "output": "0.50"})
    assert [(line.amount, line.detail) for line in model_price_lines(model | LONG)] == [
        ("$0.10", ""),
        ("$0.50", ""),
        ("$0.20", "prompts above 272K tokens"),
        ("$0.75", "prompts above 272K tokens"),
    ]
    assert (table_row(model | LONG).dearer, table_row(model).dearer) == ("dearer above 272K", "")


def test_what_an_image_of_a_token_priced_model_costs_is_about() -> None:
    prices = {"output_image": "8.00", "images": {"1024x1024": {"low": "0.005", "high": "0.036"}}}
    assert table_row(a_model("image", prices)).summary == "about $0.005 to $0.036 per image"
    assert {line.name for line in price_lines(prices)} == {"Image output", "Image, about"}
