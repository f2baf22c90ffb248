"""Prices in words, and code that runs as it is shown."""

import ast
import json
import re

import pytest

from multiconnection.api.site.prices import KIND_NAMES, price_lines, table_row, tokens, usd
from multiconnection.api.site.snippets import example_model, snippets
from multiconnection.domain.catalog import KINDS


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
    model = {"id": "m", "name": "M", "owned_by": "o", "kind": kind, "context_window": None, "prices": prices}
    assert table_row(model).summary == shown


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
