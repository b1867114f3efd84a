"""Words without an end, on screens of all sizes; and colours that the reader has chosen for everything."""

import json

import pytest
from playwright.async_api import Locator, expect

from tests.support.browser.chat_page import Database, Member
from tests.support.browser.fixtures import MakePage

LONG_URL = "https://example.test/" + "a" * 300
LONG_NAME = "Donaudampfschifffahrtsgesellschaft" * 4


async def expect_nothing_cut(pane: Locator) -> None:
    assert await pane.evaluate("e => e.scrollWidth - e.clientWidth") <= 0


async def width_of(element: Locator) -> float:
    box = await element.bounding_box()
    assert box
    return box["width"]


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
async def test_long_words_make_no_pane_scroll_sideways(
    make_page: MakePage, member: Member, database: Database, width: int
) -> None:
    metrics = {LONG_NAME: 48210, "views": 612400, "where": LONG_URL}
    database.execute(
        "update public.posts set creator = %s, platform = %s, metrics = %s where id = %s",
        ["mara" + LONG_NAME, LONG_NAME, json.dumps(metrics), member.post],
    )
    database.execute(
        """update public.post_analyses set quick_takeaways = %s, viral_status = %s, creator_context = %s,
        frameworks = %s where id = %s""",
        [
            json.dumps([LONG_URL]),
            LONG_URL,
            LONG_NAME,
            json.dumps([{"name": LONG_NAME, "explanation": LONG_URL}]),
            member.analysis,
        ],
    )
    tab = await make_page(member, viewport={"width": width, "height": 800})
    await tab.sign_in()
    post = tab.page.get_by_role("region", name="Your posts").get_by_role("link")
    await expect(post).to_be_visible()
    await expect_nothing_cut(tab.page.get_by_role("region", name="Your posts"))
    assert await width_of(post.locator("strong")) > 0.4 * await width_of(post)
    await post.click()
    await expect(tab.analysis.get_by_role("heading", level=2)).to_be_visible()
    await expect_nothing_cut(tab.analysis)
    for bar in await tab.analysis.locator(".bar").all():
        assert await width_of(bar) > 40
    await tab.open_chat()
    await expect_nothing_cut(tab.page.locator(".talk"))
    assert await tab.page.evaluate("document.documentElement.scrollWidth") <= width


async def test_with_colours_of_the_readers_own_the_current_post_and_the_bars_are_still_seen(
    make_page: MakePage, member: Member, database: Database
) -> None:
    tab = await make_page(member, forced_colors="active")
    await tab.sign_in()
    await tab.open_post()
    # As thick as no other, and apart from the outline of what has the focus.
    link = tab.page.get_by_role("region", name="Your posts").get_by_role("link")
    border = await link.evaluate("e => parseFloat(getComputedStyle(e).borderInlineStartWidth)")
    assert border > 4
    colours = await tab.analysis.locator(".bar").first.evaluate(
        "e => [e, e.firstChild].map(each => getComputedStyle(each).backgroundColor)"
    )
    assert len(set(colours)) == 2
