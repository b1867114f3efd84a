"""The keyboard's place: it goes on where the page goes on, and is not thrown back to the top."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.browser.chat_page import ChatPage, Member
from tests.support.browser.fixtures import MakePage
from tests.support.browser.phone import PHONE

QUESTION = "How many likes did it get?"


def chat_heading(page: Page) -> Locator:
    return page.get_by_role("region", name="Chat", exact=True).get_by_role("heading", name="mara on instagram")


@pytest.mark.parametrize("options", [{}, PHONE], ids=["wide", "phone"])
async def test_the_focus_goes_along_from_pane_to_pane(
    make_page: MakePage, member: Member, options: dict[str, object]
) -> None:
    tab = await make_page(member, **options)
    page = tab.page
    await tab.sign_in()
    post = page.get_by_role("region", name="Your posts").get_by_role("link")
    await expect(post).to_be_visible()
    assert await page.evaluate("document.activeElement.tagName") == "BODY"
    await post.press("Enter")
    analysis_heading = tab.analysis.get_by_role("heading", level=2)
    # The list is still there on a wide screen, and whoever chose may want to choose on.
    await expect(analysis_heading if options else post).to_be_focused()
    await tab.analysis.get_by_role("link", name="Ask a question").press("Enter")
    # On a phone, the keyboard on the screen would cover the suggestions.
    await expect(chat_heading(page) if options else tab.composer).to_be_focused()
    await page.get_by_role("link", name="Back to the analysis").press("Enter")
    await expect(analysis_heading).to_be_focused()
    if options:
        await tab.analysis.get_by_role("link", name="All posts").press("Enter")
        await expect(page.get_by_role("heading", name="Your posts")).to_be_focused()


async def test_the_focus_stays_at_the_options_and_goes_to_the_heading_when_the_chat_is_deleted(
    chat_page: ChatPage,
) -> None:
    page = chat_page.page
    await chat_page.ask_and_wait(QUESTION)
    options = page.locator("summary", has_text="Options")
    for action, after in (("Archive", "Reopen"), ("Reopen", "Archive")):
        await options.press("Enter")
        await page.get_by_role("group").get_by_role("button", name=action).press("Enter")
        await expect(options).to_be_focused()
        await expect(page.get_by_role("group").get_by_text(after)).to_have_count(1)
    await options.press("Enter")
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Delete", exact=True).press("Enter")
    await expect(options).to_have_count(0)
    await expect(chat_heading(page)).to_be_focused()
