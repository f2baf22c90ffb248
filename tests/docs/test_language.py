"""The English of the code: docstrings that begin with a verb or a noun phrase, and the field's words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = [
    path for folder in ("layers", "functions", "local", "tools", "benchmarks") for path in (ROOT / folder).rglob("*.py")
]
# A docstring that begins so describes its subject by a riddle.
RIDDLE = re.compile(
    r"(What|Who|Whose|Whoever|Whatever|Whom|Of|As|How|Where|Whether|Nothing|That|Those|Nobody|Somebody|Which|When|Why)\b"
)
# Names that have a standard term: request, charge, revenue, generate, in-flight, commit, placeholder, metadata.
ODD_WORDS = re.compile(
    r"(?:^|_)(wish(?:es)?|takings?|drawn|told|tether|flew|lesson|hole|whoever|nobody|somebody)(?:_|$)", re.IGNORECASE
)
HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def definitions(tree: ast.AST) -> Iterator[ast.Module | Definition]:
    return (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_docstrings_begin_with_a_verb_or_a_noun_phrase() -> None:
    found = []
    for path in CODE:
        for node in definitions(ast.parse(path.read_text())):
            docstring = ast.get_docstring(node)
            if docstring and RIDDLE.match(docstring):
                found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {docstring[:60]}")
    assert found == []


def test_names_are_the_fields() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path in CODE
        for node in definitions(ast.parse(path.read_text()))
        if not isinstance(node, ast.Module) and ODD_WORDS.search(HUMP.sub("_", node.name))
    ]
    assert found == []


def test_no_two_classes_of_the_package_have_the_same_name() -> None:
    places: dict[str, list[str]] = {}
    for path in (ROOT / "layers" / "multiconnection").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(path.relative_to(ROOT).as_posix())
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
