"""A question that could not be sent is kept, and sent once when it can be."""

import re

from playwright.async_api import Request, expect

from tests.support.browser.chat_page import ChatPage
from tests.support.browser.console import REFUSED, SOCKET_LOST
from tests.support.browser.endings import enter, expect_stored_once
from tests.support.browser.guard import Guard
from tests.support.browser.requests import id_sent
from worker.local.stack import Stack

FIRST, SECOND = "How many likes did it get?", "Who made it?"
OFFLINE = r"net::ERR_INTERNET_DISCONNECTED"


async def test_a_question_asked_offline_is_kept_and_sent_once(tab: ChatPage, guard: Guard) -> None:
    guard.allow(OFFLINE)
    guard.allow(SOCKET_LOST)
    await enter(tab)
    await tab.ask(FIRST)
    await expect_stored_once(tab, [FIRST])
    await tab.page.context.set_offline(True)
    await expect(tab.page.get_by_text("You are offline. What you send is kept until you are back.")).to_be_visible()
    await tab.ask(SECOND)
    await tab.expect_state("unsent")
    await expect(tab.turn()).to_contain_text("Not sent. You are offline: it will be sent when you are back.")
    assert len(tab.stored()) == 2

    ids: list[str] = []
    tab.page.on("request", lambda request: ids.extend(_ids_sent(request)))
    await tab.page.context.set_offline(False)
    await expect_stored_once(tab, [FIRST, SECOND])
    assert len(set(ids)) == 1
    await expect(tab.page.get_by_text("You are offline")).to_be_hidden()


async def test_the_first_question_of_a_chat_may_be_asked_offline(tab: ChatPage, guard: Guard) -> None:
    guard.allow(OFFLINE)
    guard.allow(SOCKET_LOST)
    await enter(tab)
    await tab.page.context.set_offline(True)
    await tab.ask(FIRST)
    await tab.expect_state("unsent")
    assert tab.session() is None

    await tab.page.context.set_offline(False)
    await expect_stored_once(tab, [FIRST])


async def test_an_unsent_question_outlives_a_reload(tab: ChatPage, worker: Stack, guard: Guard) -> None:
    guard.allow(REFUSED)
    guard.allow(SOCKET_LOST)
    await enter(tab)
    await tab.ask(FIRST)
    await expect_stored_once(tab, [FIRST])
    worker.api.kill()
    await tab.ask(SECOND)
    await expect(tab.turn()).to_contain_text("Not sent. The server could not be reached.")
    await tab.page.reload()
    await expect(tab.turn()).to_contain_text(SECOND)
    await expect(tab.turn()).to_contain_text("Not sent.")

    worker.api.start()
    await expect_stored_once(tab, [FIRST, SECOND])


def _ids_sent(request: Request) -> list[str]:
    is_question = request.method == "POST" and re.search(r"/rest/v1/chat_messages\b", request.url)
    return [id_sent(request)] if is_question else []
