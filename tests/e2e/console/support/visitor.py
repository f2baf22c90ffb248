"""One person's browser: a context of its own, its one page, and the few gestures that every walk is made of."""

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.console.support.people import Person
from tests.e2e.console.support.watch import Watch, allowed_origins
from tests.e2e.support.stack import LocalStack

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
# A zone whose name and hours are not the server's.
ZONE, LOCALE = "Asia/Singapore", "en-US"
WAIT_MS = 20_000
# Whatever is still to come says so with `aria-busy`, and a skeleton keeps its place.
_AT_REST = "() => !document.querySelector('[aria-busy=true], .skeleton') && document.fonts.status === 'loaded'"

_FETCH = """async ([method, path, body]) => {
  const headers = { "x-mc-csrf": "1", ...(body && { "content-type": "application/json" }) };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
}"""


class Visitor:
    """Signed in as nobody. `watch` says what went wrong behind the walk's back."""

    def __init__(self, browser: Browser, stack: LocalStack, **options: Any) -> None:
        self.stack = stack
        self.url = str(stack.run["console_url"]).removesuffix("/console")
        self.watch = Watch(allowed_origins(stack))
        self.context = browser.new_context(
            **{**DESKTOP, "locale": LOCALE, "timezone_id": ZONE, "color_scheme": "light", **options}
        )
        self.context.set_default_timeout(WAIT_MS)
        self.watch.listen(self.context)
        self.page: Page = self.context.new_page()

    def open(self, path: str) -> None:
        """Loads the page and waits until everything that belongs on it is there."""
        self.page.goto(f"{self.url}{path}")
        self.rest()

    def rest(self) -> None:
        self.page.wait_for_function(_AT_REST)

    def sign_in(self, person: Person, path: str = "/console") -> None:
        self.open(f"/sign-in?next={quote(path)}")
        self.fill_sign_in(person)
        self.arrives(path)

    def fill_sign_in(self, person: Person) -> None:
        self.fill("E-mail address", person.email)
        self.fill("Password", person.password)
        self.press("Sign in")

    def arrives(self, path: str) -> None:
        """At this path and query, and everything is there."""
        self.page.wait_for_url(f"{self.url}{path}")
        self.rest()

    @property
    def path(self) -> str:
        return urlsplit(self.page.url).path

    def is_at(self, path: str) -> None:
        """At this path and query, or there in a moment."""
        expect(self.page).to_have_url(f"{self.url}{path}")

    def fill(self, label: str, value: str) -> None:
        self.page.get_by_label(label, exact=True).fill(value)

    def choose(self, label: str, option: str) -> None:
        self.page.get_by_label(label, exact=True).select_option(option)

    def press(self, name: str) -> None:
        """The button of this name in the dialog that is open, else on the page."""
        self.here.get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        self.here.get_by_role("link", name=name, exact=True).click()

    @property
    def here(self) -> Locator:
        """The open dialog, else the page; looked for anew until what is wanted of it is there."""
        return self.page.locator("body:not(:has(dialog[open])), dialog[open]").last

    @property
    def dialog(self) -> Locator:
        """The one on top."""
        return self.page.locator("dialog[open]").last

    def sees(self, *texts: str) -> None:
        for text in texts:
            expect(self.page.get_by_text(text).filter(visible=True).first).to_be_visible()

    def sees_title(self, title: str) -> None:
        expect(self.page.get_by_role("heading", level=1, name=title)).to_be_visible()
        self.rest()

    def row(self, table: str, text: str) -> Locator:
        """The row of a table, by any text in it."""
        return self.table(table).locator("tbody tr").filter(has_text=text)

    def table(self, name: str) -> Locator:
        return self.page.get_by_role("table", name=name)

    def api(self, method: str, path: str, body: object = None) -> Any:
        """What the page's own scripts would be answered: to prepare a walk without walking there."""
        return self.page.evaluate(_FETCH, [method, path, body])

    def download(self, link: str) -> str:
        """The text of what this link gives."""
        with self.page.expect_download() as found:
            self.follow(link)
        return found.value.path().read_text()

    def shoot(self, file: Path) -> None:
        """The whole page on a screen as high as it is, so that what sticks to an edge sticks to the picture's."""
        size = self.page.viewport_size or DESKTOP["viewport"]
        height = self.page.evaluate("document.documentElement.scrollHeight")
        self.page.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
        file.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=file)
        self.page.set_viewport_size(size)

    def close(self) -> None:
        self.context.close()
