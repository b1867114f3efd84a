"""What could not be loaded or drawn is told where it belongs, and the rest of the page stays."""

from playwright.async_api import expect

from tests.support.browser.chat_page import ChatPage
from tests.support.browser.guard import Guard

CHAT_SCRIPT = "**/assets/ChatPage-*.js"


async def test_a_chat_that_cannot_be_loaded_says_so_beside_its_analysis_and_is_there_after_a_reload(
    tab: ChatPage, guard: Guard
) -> None:
    guard.allow("status of 404|dynamically imported module")
    await tab.page.route(CHAT_SCRIPT, lambda route: route.fulfill(status=404))
    await tab.sign_in()
    await tab.open_post()
    await tab.analysis.get_by_role("link", name="Ask a question").click()
    alert = tab.page.get_by_role("alert")
    await expect(alert).to_contain_text("The chat could not be loaded.")
    await expect(tab.analysis.get_by_role("heading", name="mara on instagram")).to_be_visible()
    await expect(tab.page.get_by_role("region", name="Your posts").get_by_role("link")).to_be_visible()

    await tab.page.unroute(CHAT_SCRIPT)
    await alert.get_by_role("button", name="Reload the page").click()
    await expect(tab.chat).to_be_visible()
    await expect(tab.page.get_by_text("The chat could not be loaded.")).to_have_count(0)


async def test_a_page_that_waited_a_while_opens_its_first_chat_offline(tab: ChatPage, guard: Guard) -> None:
    guard.allow("net::ERR_")
    async with tab.page.expect_response(CHAT_SCRIPT):
        await tab.sign_in()
    await tab.open_post()
    await tab.page.context.set_offline(True)
    await tab.open_chat()
    await expect(tab.composer).to_be_visible()


async def test_what_cannot_be_drawn_says_so_and_leaves_no_blank_page(tab: ChatPage, guard: Guard) -> None:
    guard.allow("TypeError")
    no_post = [{"id": str(tab.member.analysis), "posts": None}]
    await tab.page.route("**/rest/v1/post_analyses*", lambda route: route.fulfill(json=no_post))
    await tab.sign_in()
    await expect(tab.page.get_by_role("alert")).to_contain_text("Something went wrong.")
    await expect(tab.page.get_by_role("button", name="Reload the page")).to_be_visible()
