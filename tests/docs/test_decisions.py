"""docs/decisions.md: dated, oldest first, one decision per entry, and replaced ones say by what."""

import re

from tests.docs.test_docs import DOCS

PAGE = (DOCS / "decisions.md").read_text()
FIRST = "2026-11-22"
# A section is a day with its entries, `## 2026-11-22`, or a day with one entry, `## 2026-11-22: Its title`.
SECTIONS = re.findall(r"^## ([\d-]+)(?:: ([^\n]+))?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
TITLE = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)


def entries(text: str) -> list[str]:
    """The paragraphs of a day."""
    return [part.strip() for part in text.split("\n\n") if part.strip() and not part.strip().startswith("### ")]


def titles() -> dict[str, str]:
    """The day of each decision, by its title."""
    found = {title: day for day, title, _ in SECTIONS if title}
    for day, alone, text in SECTIONS:
        begun = [TITLE.match(entry) for entry in entries(text) if not alone]
        found |= {" ".join(each[1].split()).rstrip(".,"): day for each in begun if each}
    return found


def test_the_sections_are_days_the_oldest_first() -> None:
    days = [day for day, _, _ in SECTIONS]
    assert len(SECTIONS) == len(re.findall(r"^## ", PAGE, re.MULTILINE))
    assert days[0] == FIRST
    assert days == sorted(days)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for day in days)


def test_every_entry_begins_with_its_decision_and_no_two_are_the_same() -> None:
    of_days = [entry for _, alone, text in SECTIONS for entry in entries(text) if not alone]
    assert [entry[:60] for entry in of_days if not TITLE.match(entry)] == []
    assert len(titles()) == len(of_days) + sum(bool(alone) for _, alone, _ in SECTIONS) >= 90


def test_a_replaced_entry_names_the_later_one() -> None:
    replaced = [
        (day, *found)
        for day, _, text in SECTIONS
        for found in re.findall(r'\*Superseded on ([\d-]+), "([^"]+)"\.\*', text.replace("\n", " "))
    ]
    assert replaced
    for day, later, title in replaced:
        assert titles()[title] == later >= day
