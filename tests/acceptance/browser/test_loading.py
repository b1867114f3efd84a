"""The first look: how much it weighs, and that it stays where it was drawn."""

from playwright.async_api import Page, Response

from tests.acceptance.browser.chat_page import ChatPage, Member
from tests.acceptance.browser.conftest import MakePage

MOST_SCRIPT = 150_000  # bytes, as they come over the network

ADD_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifted += shift.value;
}).observe({ type: "layout-shift", buffered: true });
"""
WELL = 0.1  # up to here a page's layout shift counts as good


class Scripts:
    """Every script that a page asks for."""

    def __init__(self, page: Page) -> None:
        self._responses: list[Response] = []
        page.on("response", lambda response: self._responses.append(response))

    async def weight(self) -> int:
        scripts = [each for each in self._responses if each.request.resource_type == "script"]
        assert scripts
        return sum([(await each.request.sizes())["responseBodySize"] for each in scripts])


async def test_the_lists_are_there_without_much_to_load(tab: ChatPage) -> None:
    scripts = Scripts(tab.page)
    await tab.sign_in()
    await tab.page.get_by_role("region", name="Your posts").get_by_role("listitem").first.wait_for()
    assert 50_000 < await scripts.weight() < MOST_SCRIPT


async def test_what_is_drawn_first_stays_where_it_is(make_page: MakePage, member: Member) -> None:
    tab = await make_page(member, viewport={"width": 412, "height": 823})
    await tab.sign_in()
    posts = tab.page.get_by_role("region", name="Your posts").get_by_role("listitem")
    await posts.first.wait_for()
    await tab.page.add_init_script(ADD_SHIFTS)
    await tab.page.reload()
    await posts.first.wait_for()
    assert await tab.page.evaluate("window.shifted") < WELL
