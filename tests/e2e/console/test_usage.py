"""The usage page: filters that live in the URL, pages, and a CSV of exactly what is shown."""

import csv
from datetime import datetime
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.console.support.people import a_user
from tests.e2e.console.support.visitor import Visitor
from tests.e2e.support.customers import Customer
from tests.e2e.support.stack import LocalStack

PAGE_ROWS = 25
Shown = tuple[str, str, str, str, str]


@pytest.fixture
def customer(visitor: Visitor, stack: LocalStack) -> Customer:
    """Signed in at `visitor`, with more calls than fit on a page, of two models, one of them failed."""
    visitor.sign_in(a_user(stack, "Edith"), "/console/keys")
    made = visitor.api("POST", "/api/keys", {"name": "counted"})
    customer = Customer(stack, "", made["secret"], made["id"])
    for _ in range(PAGE_ROWS + 2):
        customer.chat("deepseek-v4-flash").raise_for_status()
    customer.chat("gpt-4.1-mini").raise_for_status()
    assert customer.chat("demo-error-500").status_code >= 500
    return customer


def test_filters_live_in_the_url_and_the_csv_has_exactly_the_rows_that_are_shown(
    visitor: Visitor, customer: Customer
) -> None:
    visitor.open("/console/usage")
    expect(rows(visitor)).to_have_count(PAGE_ROWS)
    visitor.choose("Model", "deepseek-v4-flash")
    visitor.choose("API key", "counted")
    visitor.arrives(f"/console/usage?model=deepseek-v4-flash&key_id={customer.key_id}")
    visitor.sees(f"{PAGE_ROWS + 2} calls")
    found = shown(visitor)
    visitor.follow("Next page")
    expect(rows(visitor)).to_have_count(2)
    found += shown(visitor)
    assert in_csv(visitor.download("Export CSV")) == found
    assert len({row[0] for row in found}) == PAGE_ROWS + 2

    visitor.page.reload()
    expect(rows(visitor)).to_have_count(2)
    visitor.page.go_back()
    expect(rows(visitor)).to_have_count(PAGE_ROWS)
    visitor.page.go_back()
    visitor.is_at("/console/usage?model=deepseek-v4-flash")
    visitor.press("Clear")
    visitor.arrives("/console/usage")
    visitor.choose("Model", "gpt-4.1-mini")
    expect(rows(visitor)).to_have_count(1)
    assert in_csv(visitor.download("Export CSV")) == shown(visitor)


def test_a_call_opens_beside_the_list_and_back_closes_it(visitor: Visitor, customer: Customer) -> None:
    visitor.open("/console/usage?ended=upstream_error")
    expect(rows(visitor)).to_have_count(1)
    rows(visitor).get_by_text("demo-error-500").click()
    expect(visitor.dialog).to_contain_text("Provider failed")
    expect(visitor.dialog.locator("tfoot")).to_contain_text("$0.000000000")
    visitor.page.reload()
    expect(visitor.dialog).to_contain_text("Provider failed")
    visitor.page.go_back()
    expect(visitor.dialog).to_have_count(0)
    expect(rows(visitor)).to_have_count(1)


def test_total_chart_and_its_table_say_what_the_csv_says(visitor: Visitor, customer: Customer) -> None:
    visitor.open("/console/usage")
    rows_of_csv = csv.DictReader(visitor.download("Export CSV").splitlines())
    total = sum((Decimal(row["cost_usd"]) for row in rows_of_csv), Decimal(0))
    expect(visitor.page.locator(".total .money")).to_have_attribute("title", f"${total}")
    expect(visitor.page.locator(".chart canvas")).to_be_visible()
    table = visitor.table("Cost per day")
    days = [Decimal(cell.removeprefix("$")) for cell in table.locator("tbody tr td:last-child").all_inner_texts()]
    # Both days, where midnight is in between, are rounded to two digits at least.
    assert abs(total - sum(days)) <= total / 20
    headings = table.locator("thead th").all_inner_texts()
    assert headings == ["Day", "deepseek-v4-flash", "gpt-4.1-mini", "demo-error-500", "Total"]


def rows(visitor: Visitor) -> Locator:
    return visitor.table("Calls").locator("tbody tr")


def shown(visitor: Visitor) -> list[Shown]:
    """Request id, time, model, exact cost and ending, of every row in its order."""
    visitor.rest()
    return [row_of(row) for row in rows(visitor).all()]


def row_of(row: Locator) -> Shown:
    href = row.get_by_role("link").get_attribute("href") or ""
    at = row.locator("time").get_attribute("datetime") or ""
    _, model, _, ended, _ = (cell.strip() for cell in row.locator("th, td").all_inner_texts())
    cost = row.locator(".money").get_attribute("title") or ""
    return parse_qs(urlsplit(href).query)["call"][0], in_seconds(at), model, cost, ended


def in_csv(text: str) -> list[Shown]:
    words = {"complete": "Complete", "upstream_error": "Provider failed"}
    return [
        (row["request_id"], in_seconds(row["created"]), row["model"], f"${row['cost_usd']}", words[row["ended"]])
        for row in csv.DictReader(text.splitlines())
    ]


def in_seconds(at: str) -> str:
    """One way of writing a moment."""
    return datetime.fromisoformat(at).strftime("%Y-%m-%dT%H:%M:%S")


def test_after_the_first_calls_every_page_adds_up(visitor: Visitor, stack: LocalStack) -> None:
    visitor.sign_in(a_user(stack, "Grace"), "/console/keys")
    made = visitor.api("POST", "/api/keys", {"name": "first"})
    for model in ("deepseek-v4-flash", "gpt-4.1-mini", "deepseek-v4-flash"):
        Customer(stack, "", made["secret"], made["id"]).chat(model).raise_for_status()

    visitor.open("/console")
    figures = [money(text) for text in visitor.page.locator(".figure-card .money").all_inner_texts()]
    _, in_flight, spent = figures
    assert sum(figures, Decimal(0)) == 1, figures
    assert in_flight == 0
    costs = [money(text) for text in visitor.table("Latest calls").locator("td .money").all_inner_texts()]
    assert sum(costs) == spent > 0
    assert len(costs) == 3
    table = visitor.table("Cost per day and model").locator("tbody tr").last.locator("td")
    *parts, total = [money(text) for text in table.all_inner_texts()]
    assert sum(parts) == total > 0
    chart = visitor.page.locator(".chart canvas").bounding_box()
    assert chart is not None
    visitor.page.mouse.move(chart["x"] + chart["width"] - 30, chart["y"] + chart["height"] / 2)
    hovered = visitor.page.locator(".chart-note")
    expect(hovered.locator("strong")).to_be_visible()
    total, *parts = [money(word) for word in hovered.inner_text().split() if word.startswith("$")]
    assert sum(parts) == total > 0

    visitor.open("/console/usage")
    costs = [money(text) for text in visitor.table("Calls").locator("td .money").all_inner_texts()]
    assert sum(costs) == money(visitor.page.locator(".total .money").inner_text()) > 0
    visitor.open("/console/billing")
    cells = visitor.page.get_by_role("region", name="Balance").locator(".money").all_inner_texts()
    available, in_flight, credited, charged = [money(text) for text in cells]
    assert available + in_flight + charged == credited == 1
    assert charged > 0


def money(text: str) -> Decimal:
    """What is shown, without the exact figure beside it."""
    return Decimal(text.split()[0].removeprefix("$").replace(",", ""))
