"""What is done to a chat in one tab is seen in the lists of the others."""

from playwright.async_api import BrowserContext, expect

from tests.support.browser.chat_page import ChatPage
from tests.support.browser.fixtures import MakePage


async def test_a_chat_that_is_deleted_goes_from_the_list_of_another_tab(
    chat_page: ChatPage, make_page: MakePage, context: BrowserContext
) -> None:
    await chat_page.ask_and_wait("How many likes did it get?")
    other_tab = await make_page(chat_page.member, context)
    await other_tab.page.goto(other_tab.address)
    chats = other_tab.page.get_by_role("region", name="Your chats")
    await expect(chats.get_by_role("listitem")).to_have_count(1)

    chat_page.page.once("dialog", lambda dialog: dialog.accept())
    await chat_page.choose("Delete")
    await expect(chats.get_by_role("listitem")).to_have_count(0)
