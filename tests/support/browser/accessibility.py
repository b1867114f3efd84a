"""axe-core, asked about a page as it stands."""

from pathlib import Path

from playwright.async_api import Page

_AXE = Path(__file__).parents[3] / "node_modules/axe-core/axe.min.js"

_RUN = """async () => {
  const { violations } = await axe.run();
  return violations.flatMap(({ id, impact, help, nodes }) =>
    nodes.map(({ target }) => `${id} (${impact}): ${help}: ${target.join(" ")}`));
}"""


async def violations(page: Page) -> list[str]:
    """A sentence for each element that breaks a rule."""
    # Over the debugger and not as a script of the page, whose policy would rightly refuse it.
    await page.evaluate(_AXE.read_text())
    found: list[str] = await page.evaluate(_RUN)
    return found
