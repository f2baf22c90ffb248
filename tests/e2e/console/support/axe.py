"""What axe-core finds on a page as it is shown now."""

from functools import cache

from playwright.sync_api import Page

from tests.e2e.support.toolchains import node_modules

# All that another theme can break.
COLOURS = ("color-contrast", "link-in-text-block")
_RUN = """async (rules) => {
  const only = rules.length ? { runOnly: rules } : {};
  const { violations } = await axe.run(document, { resultTypes: ["violations"], ...only });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)}: ${failureSummary}`));
}"""


def findings(page: Page, *rules: str) -> list[str]:
    """Every rule that is broken, of these or of all, with where and why.

    Evaluated from outside, so no policy of the page is in its way.
    """
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(_axe())
    found: list[str] = page.evaluate(_RUN, rules)
    return found


@cache
def _axe() -> str:
    return (node_modules("axe") / "axe-core" / "axe.min.js").read_text()
