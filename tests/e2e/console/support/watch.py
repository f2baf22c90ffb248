"""What a page must never do, whatever a walk does on it: listened for from the first byte to the last."""

import json
from collections.abc import MutableSet
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response

from tests.e2e.support.stack import LocalStack

# Runs before any script of a page. What moves by itself is kept with the element that moved.
LISTENING = """
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile, lineNumber }) =>
  console.error(`CSP: ${violatedDirective} refuses ${blockedURI} in ${sourceFile}:${lineNumber}`));
window.moved = [];
const box = ({ x, y, width, height }) => `${x},${y} ${width}x${height}`;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    for (const { node, previousRect: from, currentRect: to } of entry.sources) {
      const name = node?.outerHTML?.slice(0, 120) ?? node?.textContent?.slice(0, 60) ?? "something";
      window.moved.push(`${name}: ${box(from)} to ${box(to)}`);
    }
  }
}).observe({ type: "layout-shift", buffered: true });
"""
# An answer that is there before the first painting would hide what moves when it comes.
AFTER_SKELETONS = """
const frame = () => new Promise(requestAnimationFrame);
const ask = window.fetch;
window.fetch = async (...what) => {
  for (let n = 0; n < 6; n += 1) await frame();
  return ask(...what);
};
"""
# A shift is known with the frame after the one it happens in.
_AFTER_PAINTING = """() => new Promise((resolve) =>
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => resolve(window.moved)))))"""
# Said by Chromium for every answer of 400 and more; these answers are looked at by themselves.
_SAID_OF_ANSWERS = "Failed to load resource"


@dataclass
class Watch:
    """`origins` are where the pages may send requests; `refused` are the answers of 400 and more, as "409 /path"."""

    origins: MutableSet[str]
    errors: list[str] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    _allowed: set[str] = field(default_factory=set)

    def listen(self, context: BrowserContext) -> None:
        context.add_init_script(LISTENING)
        context.on("console", self._said)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("request", self._asked)
        context.on("response", self._answered)

    def allow(self, *answers: str) -> None:
        """These refusals are what the walk is about."""
        self._allowed.update(answers)

    def assert_nothing_wrong(self) -> None:
        found = {
            "said on the console": self.errors,
            "asked of other hosts": sorted(self.strangers),
            "refused": [answer for answer in self.refused if answer not in self._allowed],
        }
        wrong = {what: seen for what, seen in found.items() if seen}
        assert not wrong, wrong

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_SAID_OF_ANSWERS):
            self.errors.append(message.text)

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if parts.scheme in ("http", "https", "ws", "wss") and origin not in self.origins:
            self.strangers.add(request.url)

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.refused.append(f"{response.status} {urlsplit(response.url).path}")


def allowed_origins(stack: LocalStack) -> set[str]:
    """The site itself, and the storage that a receipt is sent to and shown from."""
    storage = json.loads((stack.folder / "stack.json").read_text())["AWS_ENDPOINT_URL"]
    return {str(stack.run["console_url"]).removesuffix("/console"), storage}


def moved_by_itself(page: Page) -> list[str]:
    """Every layout shift since the page was loaded that followed no input of the person."""
    found: list[str] = page.evaluate(_AFTER_PAINTING)
    return found
