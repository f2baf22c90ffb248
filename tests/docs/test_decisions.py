"""docs/decisions.md: dated, oldest first, one decision per entry, and replaced ones say by what."""

import re

from tests.docs.test_docs import DOCS

PAGE = (DOCS / "decisions.md").read_text()
SECTIONS = re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
TITLES = {
    title: date for date, text in SECTIONS for title in re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE | re.DOTALL)
}
FIRST = "2026-11-22"


def entries(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip() and not part.strip().startswith("### ")]


def test_the_sections_are_days_the_oldest_first() -> None:
    days = [date for date, _ in SECTIONS]
    assert days[0] == FIRST
    assert days == sorted(set(days))
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for day in days)


def test_every_entry_begins_with_its_decision() -> None:
    assert [entry[:60] for _, text in SECTIONS for entry in entries(text) if not entry.startswith("**")] == []
    assert len(TITLES) == sum(len(entries(text)) for _, text in SECTIONS) >= 90


def test_a_replaced_entry_names_the_later_one() -> None:
    replaced = [
        (date, *found)
        for date, text in SECTIONS
        for found in re.findall(r'\*Superseded on ([\d-]+), "([^"]+)"\.\*', text.replace("\n", " "))
    ]
    assert replaced
    by_words = {" ".join(title.split()).rstrip(".,"): date for title, date in TITLES.items()}
    for date, later, title in replaced:
        assert by_words[title] == later >= date
