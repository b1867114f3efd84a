"""The socket is well, and no broadcast of the database's reaches the page: it looks after what it did itself."""

from playwright.async_api import Dialog, Route, expect

from tests.support.browser.chat_page import ChatPage
from tests.support.browser.clock import pass_time
from tests.support.browser.endings import enter
from tests.support.browser.guard import Guard
from tests.support.browser.wire import Frame, Wire

QUESTION = "How many likes did it get?"
MINUTE = 60  # seconds
UNUSED = 5 * MINUTE  # after its last use, nobody is taken to look at a page


def swallow_broadcasts(frame: Frame) -> list[Frame]:
    return [] if frame.event in ("message", "reply", "delta", "session") else [frame]


async def test_what_a_tab_did_itself_shows_though_nothing_is_heard(tab: ChatPage, wire: Wire) -> None:
    wire.change = swallow_broadcasts
    await enter(tab)
    await tab.ask_and_wait(QUESTION)

    await tab.choose("Archive")
    await expect(tab.chat.get_by_text("This chat is archived.")).to_be_visible()
    await tab.chat.get_by_role("button", name="Reopen").click()
    await expect(tab.composer).to_be_visible()

    async def accept(dialog: Dialog) -> None:
        await dialog.accept()

    tab.page.once("dialog", accept)
    await tab.choose("Delete")
    await expect(tab.chat.get_by_role("heading", name="Ask about this post")).to_be_visible()
    await expect(tab.turns).to_have_count(0)


async def test_an_idle_tab_asks_for_next_to_nothing(tab: ChatPage, guard: Guard) -> None:
    guard.allow("status of 503")
    page = tab.page
    await tab.sign_in_to_chat()
    await tab.ask_and_wait(QUESTION)
    await tab.expect_live()
    await page.clock.install()
    await page.reload()
    await tab.expect_answers(1)
    await tab.expect_live()
    asked: list[str] = []

    async def count(route: Route) -> None:
        asked.append(route.request.url)
        await route.fallback()

    async def refuse(route: Route) -> None:
        await route.fulfill(status=503, json={"code": "PGRST001", "message": "no connection to the database"})

    await pass_time(page, 5)  # what the page still asks for at its beginning
    await page.route("**/rest/v1/**", count)
    await pass_time(page, MINUTE)
    assert 1 <= len(asked) <= 2, asked  # is the session as it was? nothing else tells that news still come
    assert all("/chat_sessions?" in url for url in asked), asked

    await page.clock.fast_forward(UNUSED * 1_000)
    await pass_time(page, 5)  # what was due meanwhile
    asked.clear()
    await pass_time(page, 3 * MINUTE)
    assert asked == []
    await page.mouse.move(100, 100)
    await pass_time(page, 2)
    assert asked
    assert all("/chat_sessions?" in url for url in asked), asked

    await page.route("**/rest/v1/**", refuse)
    await page.route("**/rest/v1/**", count)
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when it comes to the front
    await expect(page.get_by_role("alert").first).to_contain_text("The server has a problem at the moment.")
    per_minute = []
    for _ in range(4):
        asked.clear()
        await pass_time(page, MINUTE)
        per_minute.append(len(asked))
    assert max(per_minute) <= 4, per_minute
