"""The first look: how much it weighs."""

from playwright.async_api import Page, Response

from tests.support.browser.chat_page import ChatPage

MOST_SCRIPT = 150_000  # bytes, as they come over the network


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
