"""docs/images/architecture.svg: functions, floors and tables, read from `template.yaml` and `pyproject.toml`."""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path

from local.paths import ROOT, TEMPLATE
from local.template_values import read_yaml

WIDTH, MARGIN, GAP = 960, 24, 16
INNER = WIDTH - 2 * MARGIN
CHIP_H, CHIP_GAP, CHAR_W, CHIP_PADDING = 26, 8, 7.3, 20
FLOOR_H, HEAD_H, ARROW_H = 36, 40, 28
# Who calls each function, and through what.
CALLERS: Mapping[str, tuple[str, Sequence[str]]] = {
    "With an API key": ("/v1 · OpenAI SDKs, curl", ("chat", "audio", "images", "embeddings", "uploads", "models")),
    "In a browser": ("/, /api · pages, console, admin", ("site", "account", "export", "admin")),
    "Workers": ("schedules, SQS, Step Functions", ("recharge", "sweeper", "fallback", "reconciler")),
}
# Of a floor, by its first room.
NOTES = {
    "bootstrap": "composition root",
    "site": "pages, reports, profiles",
    "chat": "products, and money in",
    "uploads": "files, call history, HTTP",
    "calls": "limit → reserve → forward → settle",
    "catalog": "models, prices, cost bounds",
    "keys": "API keys",
    "audit": "what administrators did",
    "identity": "people and sessions",
    "limits": "rate limits",
    "ledger": "the money protocol, without I/O",
    "web": "HTTP, DynamoDB, S3, secrets",
    "observability": "log lines, metrics",
    "context": "what is known of a request",
    "config": "settings, ids, usage, retries",
    "money": "amounts, error tree, clocks",
}
# The steps of docs/architecture.md, "One request, in ten lines", by the room that takes them.
STEPS = {
    "web": (1,),
    "keys": (2,),
    "chat": (3, 8),
    "catalog": (4,),
    "limits": (5,),
    "ledger": (6, 9),
    "providers": (7,),
    "observability": (10,),
}
NOTES_X, STEPS_X, STEP_GAP = 540, WIDTH - MARGIN - 68, 26
TRYING_OUT = {"demo", "upstream"}
SERVICES = ("S3", "SQS", "Cognito", "Step Functions", "SES", "SNS", "Secrets Manager", "CloudWatch")
STYLE = """
  .page { fill: #ffffff; stroke: #d0d7de }
  .box { fill: #f6f8fa; stroke: #d0d7de }
  .floor { fill: #eaeef2; stroke: none }
  .chip { fill: #ffffff; stroke: #afb8c1 }
  .step { fill: #57606a }
  .ledger { fill: #1f5bd8; stroke: #1f5bd8 }
  .line { stroke: #57606a; stroke-width: 1.5; fill: none }
  .head { fill: #57606a }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .note { fill: #57606a }
  .on { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #30363d }
    .box { fill: #161b22; stroke: #30363d }
    .floor { fill: #21262d }
    .chip { fill: #0d1117; stroke: #6e7681 }
    .chip.ledger { fill: #1f5bd8; stroke: #1f5bd8 }
    .step { fill: #656c76 }
    .line { stroke: #9198a1 }
    .head { fill: #9198a1 }
    text { fill: #e6edf3 }
    .note { fill: #9198a1 }
    .on { fill: #ffffff }
  }
"""


@dataclass(slots=True)
class Drawing:
    """SVG elements, in the order in which they are painted."""

    parts: list[str] = field(default_factory=list)

    def box(self, x: float, y: float, width: float, height: float, kind: str = "box") -> None:
        place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
        self.parts.append(f'<rect class="{kind}" {place} rx="{min(8, height / 4):g}"/>')

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> None:
        names = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text{names} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>')

    def chip(self, x: float, y: float, word: str) -> float:
        """The width that it takes."""
        width = round(len(word) * CHAR_W + CHIP_PADDING)
        special = word == "ledger"
        self.box(x, y, width, CHIP_H, "chip ledger" if special else "chip")
        self.text(x + width / 2, y + 17.5, word, "on" if special else "", "middle")
        return width

    def chips(self, x: float, y: float, words: Iterable[str], limit: float) -> float:
        """Side by side from `x` to `limit` at most, then below; returns where the last line ends."""
        left = x
        for word in words:
            if left + len(word) * CHAR_W + CHIP_PADDING > limit:
                left, y = x, y + CHIP_H + CHIP_GAP
            left += self.chip(left, y, word) + CHIP_GAP
        return y + CHIP_H

    def step(self, x: float, y: float, number: int) -> None:
        self.parts.append(f'<circle class="step" cx="{x:g}" cy="{y:g}" r="11"/>')
        self.text(x, y + 4.5, str(number), "on", "middle")

    def arrow(self, x: float, top: float, bottom: float) -> None:
        self.parts.append(f'<path class="line" d="M{x:g} {top:g}V{bottom - 7:g}"/>')
        self.parts.append(f'<path class="head" d="M{x - 5:g} {bottom - 8:g}h10l-5 8z"/>')

    def svg(self, height: float, title: str) -> str:
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img">\n'
            f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
            f'<rect class="page" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:g}" rx="10"/>\n{body}\n</svg>\n'
        )


def draw_architecture(file: Path) -> None:
    file.write_text(architecture())


def architecture() -> str:
    """The picture as SVG text; raises ValueError when a function of the template has no place in it."""
    drawing = Drawing()
    y = _functions(drawing, MARGIN)
    drawing.arrow(WIDTH / 2, y, y + ARROW_H)
    y = _floors(drawing, y + ARROW_H)
    y = _outside(drawing, y + ARROW_H)
    return drawing.svg(y + MARGIN, "Callers, functions, the floors of the package, and what they stand on")


def floors() -> list[list[str]]:
    """The rooms of each floor, the highest first, as the import rules have them."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [rule["layers"] for rule in rules if rule["name"] == "floors"]
    return [[room.strip().removeprefix("multiconnection.") for room in layer.split("|")] for layer in layers]


def functions() -> set[str]:
    """The functions of the template, named after their entry folders."""
    return {name.removesuffix("Function").lower() for name in _resources("AWS::Serverless::Function")}


def tables() -> list[str]:
    return [name.removesuffix("Table") for name in _resources("AWS::DynamoDB::Table")]


def providers() -> list[str]:
    """The providers of the package, without those for trials."""
    listed = json.loads((files("multiconnection") / "data" / "providers.json").read_text())["providers"]
    return [entry["name"] for entry in listed if entry["name"] not in TRYING_OUT]


def _resources(kind: str) -> Iterator[str]:
    resources = read_yaml(TEMPLATE)["Resources"]
    return (name for name, spec in resources.items() if spec["Type"] == kind)


def _functions(drawing: Drawing, y: float) -> float:
    """Three groups of callers, API Gateway across two of them, and their functions."""
    drawn = {name for _, names in CALLERS.values() for name in names}
    if drawn != functions():
        raise ValueError(f"functions without a place in the picture, or the other way round: {drawn ^ functions()}")
    width = (INNER - 2 * GAP) / 3
    lefts = [MARGIN + place * (width + GAP) for place in range(len(CALLERS))]
    for left, (title, (through, _)) in zip(lefts, CALLERS.items(), strict=True):
        drawing.text(left + width / 2, y + 16, title, "title", "middle")
        drawing.text(left + width / 2, y + 36, through, "note", "middle")
    y += 46
    for left in lefts[:2]:
        drawing.arrow(left + width / 2, y, y + 24)
    drawing.arrow(lefts[2] + width / 2, y, y + 80)
    y += 24
    drawing.box(MARGIN, y, 2 * width + GAP, 32)
    drawing.text(MARGIN + width + GAP / 2, y + 21, "API Gateway, streamed and buffered", "", "middle")
    for left in lefts[:2]:
        drawing.arrow(left + width / 2, y + 32, y + 56)
    y += 56
    bottom = y
    for left, (_, names) in zip(lefts, CALLERS.values(), strict=True):
        bottom = max(bottom, drawing.chips(left + 12, y + 38, names, left + width - 12))
    for left in lefts:
        drawing.box(left, y, width, bottom + 12 - y)
    for left, (_, names) in zip(lefts, CALLERS.values(), strict=True):
        drawing.text(left + 12, y + 24, "Lambda functions", "note")
        drawing.chips(left + 12, y + 38, names, left + width - 12)
    return bottom + 12


def _floors(drawing: Drawing, y: float) -> float:
    found = floors()
    height = HEAD_H + len(found) * FLOOR_H + CHIP_GAP
    drawing.box(MARGIN, y, INNER, height)
    drawing.text(MARGIN + 12, y + 26, "One package, a room for each noun", "title")
    drawing.text(NOTES_X, y + 26, "each floor imports only those below", "note")
    drawing.text(STEPS_X, y + 26, "a streamed chat", "note", "middle")
    for at, rooms in enumerate(found):
        top = y + HEAD_H + at * FLOOR_H
        drawing.box(MARGIN + 6, top, INNER - 12, FLOOR_H - 4, "floor")
        drawing.chips(MARGIN + 12, top + 3, rooms, NOTES_X)
        drawing.text(NOTES_X, top + 20.5, NOTES.get(rooms[0], ""), "note")
        steps = [step for room in rooms for step in STEPS.get(room, ())]
        for place, step in enumerate(steps):
            drawing.step(STEPS_X + (place - (len(steps) - 1) / 2) * STEP_GAP, top + FLOOR_H / 2 - 2, step)
    return y + height


def _outside(drawing: Drawing, y: float) -> float:
    """The outside of the code: tables and services of AWS, and the providers."""
    boxes = {"DynamoDB": tables(), "More of AWS": SERVICES, "Providers": providers()}
    width = (INNER - (len(boxes) - 1) * GAP) / len(boxes)
    lefts = [MARGIN + place * (width + GAP) for place in range(len(boxes))]
    placed = list(zip(lefts, boxes.items(), strict=True))
    bottom = max(Drawing().chips(x + 12, y + HEAD_H, words, x + width - 4) for x, (_, words) in placed) + 12
    for x, (title, words) in placed:
        drawing.arrow(x + width / 2, y - ARROW_H, y)
        drawing.box(x, y, width, bottom - y)
        drawing.text(x + 12, y + 25, title, "title")
        drawing.chips(x + 12, y + HEAD_H, words, x + width - 4)
    return bottom
