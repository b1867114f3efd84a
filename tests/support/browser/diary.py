"""Every text that a page has shown as an answer, in order: what is only seen for a moment is seen, too."""

import re

from playwright.async_api import Page

_KEEP = """
window.shownTexts = [];
new MutationObserver(() => {
  const text = [...document.querySelectorAll('.chat-turn')].at(-1)?.querySelector('.chat-text')?.textContent ?? '';
  if (text !== (window.shownTexts.at(-1) ?? '')) window.shownTexts.push(text);
}).observe(document, { subtree: true, childList: true, characterData: true });
"""


def letters(text: str) -> str:
    """A text without what Markdown, the browser and half a Markdown mark make of it."""
    return re.sub(r"\W+", "", text)


class Diary:
    """Of the newest turn of a page. It begins anew with each load of the page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def keep(self) -> "Diary":
        """Before the page is loaded."""
        await self._page.add_init_script(_KEEP)
        return self

    async def texts(self) -> list[str]:
        """As letters; "" is an answer that was taken away."""
        shown: list[str] = await self._page.evaluate("window.shownTexts")
        return [letters(text) for text in shown]
