"""A project that takes no questions says so, and what was written is kept."""

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.async_api import Page, Route, expect

from tests.support.browser.chat_page import ChatPage, Database
from tests.support.browser.endings import enter, expect_stored_once
from tests.support.browser.guard import Guard

FIRST, SECOND = "How many likes did it get?", "Who made it?"
PAUSED = "The chat is paused at the moment, and takes no new questions."
REFUSED = "the server responded with a status of 429"

Pause = Callable[[bool], None]


@pytest.fixture
def pause(database: Database) -> Iterator[Pause]:
    """The operator's switch, in the dashboard."""

    def switch(is_on: bool) -> None:
        database.execute("update public.chat_settings set paused = %s", [is_on])

    yield switch
    switch(False)


async def tell_usage(page: Page, *limits: dict[str, object]) -> None:
    """What the plan leaves, in the place of the database's own word."""

    async def answer(route: Route) -> None:
        headers = {"access-control-allow-origin": "*", "content-type": "application/json"}
        await route.fulfill(status=200, headers=headers, body=json.dumps({"plan": "free", "limits": limits}))

    await page.route("**/rest/v1/rpc/chat_usage", answer)


async def test_what_a_pause_refuses_is_kept_and_sent_when_its_author_says_so(
    tab: ChatPage, guard: Guard, pause: Pause
) -> None:
    guard.allow(REFUSED)
    await tell_usage(tab.page)
    await enter(tab)
    await tab.ask(FIRST)
    await expect_stored_once(tab, [FIRST])
    line = tab.chat.locator(".chat-left")
    await expect(line).to_be_hidden()

    pause(True)
    await tab.ask(SECOND)
    await tab.expect_state("unsent")
    await expect(tab.turn()).to_contain_text(f"Not sent. {PAUSED}")
    await expect(line).to_have_text(PAUSED)
    assert len(tab.stored()) == 2

    pause(False)
    await tab.turn().get_by_role("button", name="Send again").click()
    await expect_stored_once(tab, [FIRST, SECOND])
    await expect(line).to_be_hidden()


async def test_few_questions_left_are_told_before_the_first_is_refused(tab: ChatPage) -> None:
    limit = {"limit": "questions_per_day", "most": 300, "used": 298, "held": 0, "left": 2, "resets_at": None}
    await tell_usage(tab.page, limit)
    await enter(tab)
    await expect(tab.chat.get_by_text("2 of your 300 questions a day are left.")).to_be_visible()
    await tab.ask(FIRST)
    await expect_stored_once(tab, [FIRST])
