"""The public pages: prices that can be searched and sorted, documentation with the visitor's own host, with scripts
and without."""

from decimal import Decimal

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.console.conftest import Visitors
from tests.e2e.console.support.visitor import Visitor


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_documentation_names_the_host_that_was_visited(visitor: Visitor, host: str) -> None:
    visitor.url = visitor.url.replace("127.0.0.1", host)
    visitor.watch.origins.add(visitor.url)
    visitor.open("/docs")
    expect(visitor.page.get_by_role("group", name="Base URL")).to_have_text(f"{visitor.url}/v1")
    examples = "\n".join(visitor.page.locator("article pre").all_text_contents())
    assert f"curl {visitor.url}/v1/chat/completions" in examples.replace("-N ", "")
    assert f'base_url="{visitor.url}/v1"' in examples
    assert f'baseURL: "{visitor.url}/v1"' in examples


def test_prices_are_searched_and_sorted_while_one_types(visitor: Visitor) -> None:
    visitor.open("/")
    every = rows(visitor).count()
    visitor.fill("Search models", "deepseek flash")
    expect(visitor.page.get_by_text(f"2 of {every} models")).to_be_visible()
    visitor.is_at("/?q=deepseek+flash")
    visitor.page.reload()
    expect(rows(visitor)).to_have_count(2)
    visitor.fill("Search models", "no such model")
    visitor.sees("No model matches.")
    visitor.fill("Search models", "")
    visitor.page.get_by_role("columnheader", name="Input").get_by_role("link").click()
    expect(visitor.page.get_by_role("columnheader", name="Input")).to_have_attribute("aria-sort", "ascending")
    ascending = prices(visitor)
    assert ascending == sorted(ascending)
    visitor.page.get_by_role("columnheader", name="Input").get_by_role("link").click()
    expect(visitor.page.get_by_role("columnheader", name="Input")).to_have_attribute("aria-sort", "descending")
    assert prices(visitor) == sorted(ascending, reverse=True)
    visitor.is_at("/?sort=-input")


def test_prices_are_searched_and_sorted_without_scripts(visitors: Visitors) -> None:
    visitor = visitors(java_script_enabled=False)
    page = visitor.page
    page.goto(visitor.url)
    page.get_by_label("Search models").fill("deepseek flash")
    page.get_by_role("button", name="Apply").click()
    expect(rows(visitor)).to_have_count(2)
    page.goto(f"{visitor.url}/?kind=chat")
    page.get_by_role("columnheader", name="Input").get_by_role("link").click()
    expect(page.get_by_role("columnheader", name="Input")).to_have_attribute("aria-sort", "ascending")
    found = prices(visitor)
    assert len(found) > 20
    assert found == sorted(found)


def test_examples_change_their_language_without_scripts(visitors: Visitors) -> None:
    visitor = visitors(java_script_enabled=False)
    visitor.page.goto(visitor.url)
    example = visitor.page.locator(".hero .code")
    expect(example.get_by_label("Example: curl")).to_be_visible()
    example.get_by_text("Python", exact=True).click()
    expect(example.get_by_label("Example: Python")).to_contain_text("from openai import OpenAI")
    expect(example.get_by_label("Example: curl")).to_be_hidden()


def test_a_chosen_theme_stays_and_is_there_with_the_first_byte(visitors: Visitors) -> None:
    visitor = visitors(color_scheme="dark")
    visitor.open("/")
    visitor.press("Switch between light and dark")
    light = background(visitor)
    answer = visitor.page.goto(f"{visitor.url}/docs")
    assert answer is not None
    assert 'data-theme="light"' in answer.text()
    assert background(visitor) == light


def test_one_page_per_model_has_its_prices_and_an_example(visitor: Visitor) -> None:
    visitor.open("/models?q=gpt-4.1-mini")
    rows(visitor).get_by_role("link").click()
    visitor.arrives("/models/gpt-4.1-mini")
    visitor.sees("Input", "Output", "$0.40", "$1.60")
    expect(visitor.page.locator("pre").filter(visible=True)).to_contain_text("gpt-4.1-mini")


def rows(visitor: Visitor) -> Locator:
    return visitor.page.locator("table.pricelist tbody tr").filter(visible=True)


def prices(visitor: Visitor) -> list[Decimal]:
    """The input prices in the order in which they are shown; models that are priced otherwise have none."""
    cells = rows(visitor).locator("td[data-label=Input]").all_inner_texts()
    return [Decimal(cell.strip().removeprefix("$")) for cell in cells if cell.strip().startswith("$")]


def background(visitor: Visitor) -> str:
    return str(visitor.page.evaluate("getComputedStyle(document.body).backgroundColor"))
