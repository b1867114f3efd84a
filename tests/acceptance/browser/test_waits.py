"""Every wait of the page's has an end, with words, whoever does not answer."""

from playwright.async_api import Page, Route, expect

from tests.support.browser.chat_page import PASSWORD, ChatPage
from tests.support.browser.clock import pass_time
from tests.support.browser.guard import Guard

QUESTION = "How many likes did it get?"
SLOW = "The server did not answer in time."


async def hang(route: Route) -> None:
    """It is heard, and never answered."""


async def end_the_token(page: Page) -> None:
    """By what the page knows of it: it asks for another before its next request."""
    await page.evaluate(
        """() => {
          const key = Object.keys(localStorage).find(name => name.endsWith("-auth-token"));
          const session = JSON.parse(localStorage.getItem(key));
          localStorage.setItem(key, JSON.stringify({ ...session, expires_at: Math.floor(Date.now() / 1000) - 60 }));
        }"""
    )


async def test_a_renewal_that_nobody_answers_is_told_and_ends(tab: ChatPage, guard: Guard) -> None:
    guard.allow("ERR_|Failed to load resource")
    page = tab.page
    await tab.sign_in_to_chat()
    await page.clock.install()
    await page.reload()
    await tab.expect_live()
    await page.route("**/auth/v1/token*", hang)
    await end_the_token(page)
    await tab.ask(QUESTION)
    await expect(tab.turn().get_by_text("Sending…")).to_be_visible()
    await pass_time(page, 17)
    await expect(tab.turn()).to_contain_text("Not sent. The server did not answer in time.")

    await page.unroute("**/auth/v1/token*")
    await pass_time(page, 60)
    await tab.expect_answers(1)


async def test_a_list_that_nobody_answers_is_told(tab: ChatPage) -> None:
    page = tab.page
    await page.clock.install()
    await page.route("**/rest/v1/post_analyses?*", hang)
    await tab.sign_in()
    posts = page.get_by_role("region", name="Your posts")
    await expect(posts.get_by_text("Loading…")).to_be_visible()
    await pass_time(page, 17)
    await expect(posts.get_by_role("alert")).to_contain_text(SLOW)

    await page.unroute("**/rest/v1/post_analyses?*")
    await posts.get_by_role("button", name="Try again").click()
    await expect(posts.get_by_role("link", name="mara")).to_be_visible()


async def test_a_file_whose_token_nobody_renews_is_told(chat_page: ChatPage) -> None:
    page = chat_page.page
    await chat_page.ask_and_wait(QUESTION)
    await page.clock.install()
    await page.route("**/auth/v1/token*", hang)
    await end_the_token(page)
    await chat_page.choose("Export as Text")
    await expect(page.get_by_text("Preparing the file…")).to_be_visible()
    await pass_time(page, 17)
    await expect(page.get_by_text("The server could not be reached, or did not answer in time.")).to_be_visible()


async def test_a_sign_in_that_nobody_answers_is_told(tab: ChatPage, guard: Guard) -> None:
    guard.allow("Failed to load resource")
    page = tab.page
    await page.route("**/auth/v1/token*", hang)
    await page.goto(tab.address)
    await page.get_by_label("E-mail").fill(tab.member.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    # Only the browser's own clock ends a request.
    await expect(page.get_by_role("alert")).to_contain_text("could not be reached", timeout=40_000)
    await expect(page.get_by_role("button", name="Sign in")).to_be_enabled()
