"""Time that passes for a page at once."""

import asyncio

from playwright.async_api import Page


async def pass_time(page: Page, seconds: int) -> None:
    """For the page. It asks the server between the steps."""
    for _ in range(seconds):
        await page.clock.run_for(1_000)
        await asyncio.sleep(0.02)
