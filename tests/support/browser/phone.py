"""A telephone's screen."""

from playwright.async_api import Page

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

_TOO_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter(e => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1)
  .filter(e => !e.closest("pre, .chat-table, .chat-unseen"))
  .map(e => e.outerHTML.slice(0, 80))"""


async def expect_nothing_too_wide(page: Page) -> None:
    assert await page.evaluate(_TOO_WIDE) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
