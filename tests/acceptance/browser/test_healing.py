"""Whatever dies beside the page, it goes on by itself and ends with what is stored."""

import re
from collections.abc import Callable

import httpx
from playwright.async_api import Route, expect

from tests.support.asked import outcomes
from tests.support.browser.chat_page import ChatPage, Database
from tests.support.browser.console import REFUSED, SOCKET_LOST
from tests.support.browser.diary import Diary, letters
from tests.support.browser.endings import (
    QUESTION,
    come_to_rest,
    draft,
    enter,
    expect_only_beginnings,
    expect_stored_once,
    give_a_long_answer,
)
from tests.support.browser.guard import Guard
from tests.support.browser.requests import id_sent
from tests.support.browser.services import restarted
from tests.support.browser.wire import Ear, Wire
from tests.support.faulty_model import FaultyModel
from tests.support.waiting import until
from worker.local.stack import Stack

SHORT_QUESTION = "How many likes did it get?"


async def test_a_page_reloaded_in_mid_stream_goes_on_from_where_it_was(
    tab: ChatPage, diary: Diary, database: Database, faulty_model: FaultyModel
) -> None:
    give_a_long_answer(database, tab)
    faulty_model.add("stall", question=QUESTION, after=40, seconds=8)
    await enter(tab)
    await tab.ask(QUESTION)
    saved = await until(lambda: draft(database, tab), "a draft")
    await tab.page.reload()
    await tab.expect_state("writing")

    before_the_end = await diary.texts()
    await expect_stored_once(tab, [QUESTION])
    assert before_the_end[0].startswith(letters(saved))
    assert len(set(await diary.texts())) > 3, "it did not grow on"
    await expect_only_beginnings(diary, *tab.stored_answers())


async def test_a_worker_killed_in_mid_stream_costs_no_text_and_doubles_none(
    tab: ChatPage,
    diary: Diary,
    worker: Stack,
    worker_ready: Callable[[], bool],
    database: Database,
    faulty_model: FaultyModel,
) -> None:
    give_a_long_answer(database, tab)
    # The lease of a dead worker has to run out.
    with restarted(worker.worker, LEASE_SECONDS="3"):
        await until(worker_ready, "the worker to be subscribed", seconds=20)
        await enter(tab)
        faulty_model.add("stall", question=QUESTION, after=40)
        await tab.ask(QUESTION)
        await until(lambda: "hook" in draft(database, tab), "a draft that tells the attempts apart")
        worker.worker.kill()
        give_a_long_answer(database, tab, "colour")  # so that the second attempt writes something else
        await expect(tab.answer()).to_contain_text("hook")
        worker.worker.start()
        await until(worker_ready, "the worker to be subscribed again", seconds=60)

        await expect_stored_once(tab, [QUESTION])
    [answer] = tab.stored_answers()
    assert outcomes(database, tab.stored()[0]["id"]) == ["lost", "ok"]
    assert "colour" in answer
    await expect_only_beginnings(diary, answer.replace("colour", "hook"), answer)


async def test_realtime_goes_away_in_mid_stream_and_comes_back(
    tab: ChatPage,
    diary: Diary,
    ear: Ear,
    worker: Stack,
    database: Database,
    faulty_model: FaultyModel,
    guard: Guard,
) -> None:
    guard.allow(SOCKET_LOST)
    give_a_long_answer(database, tab)
    await enter(tab)
    faulty_model.add("stall", question=QUESTION, after=40, seconds=2)
    await tab.ask(QUESTION)
    await tab.expect_state("writing")
    worker.realtime.kill()
    late = tab.page.get_by_text("Connecting… Answers may come in with a delay.")
    await expect(late).to_be_visible()
    deltas = ear.count("delta")

    await tab.ask(SHORT_QUESTION)
    await expect_stored_once(tab, [QUESTION, SHORT_QUESTION])
    await expect(late).to_be_visible()
    assert ear.count("delta") == deltas

    worker.realtime.start()
    await expect(late).to_be_hidden(timeout=20_000)
    await tab.ask(SHORT_QUESTION)
    await expect_stored_once(tab, [QUESTION, SHORT_QUESTION, SHORT_QUESTION])
    assert ear.count("delta") > deltas
    await expect_only_beginnings(diary, *tab.stored_answers())


async def test_a_channel_closed_for_too_many_messages_is_opened_again(
    tab: ChatPage,
    diary: Diary,
    ear: Ear,
    worker: Stack,
    database: Database,
    faulty_model: FaultyModel,
    guard: Guard,
) -> None:
    guard.allow(SOCKET_LOST)
    give_a_long_answer(database, tab)
    # Judged after milliseconds instead of a minute: a burst is too much already, the chat's own messages are not.
    with restarted(worker.realtime, REALTIME_MAX_EVENTS_PER_SECOND="2000", REALTIME_RATE_TICK_MS="5"):
        await enter(tab)
        faulty_model.add("stall", question=QUESTION, after=40, seconds=3)
        await tab.ask(QUESTION)
        await tab.expect_state("writing")
        assert ear.count("phx_close") == 0
        _shout(worker, f"chat:{tab.session()}", times=1500)
        await until(lambda: ear.told("Too many messages per second"), "the server to close the channel")
        await until(lambda: ear.joins() == 2, "a new channel")
        deltas = ear.count("delta")

        await expect_stored_once(tab, [QUESTION])
        assert ear.count("delta") > deltas
    await expect_only_beginnings(diary, *tab.stored_answers())


async def test_a_question_whose_receipt_was_lost_with_the_api_is_asked_once(
    tab: ChatPage, wire: Wire, worker: Stack, guard: Guard
) -> None:
    guard.allow(SOCKET_LOST)
    guard.allow(REFUSED)
    await enter(tab)
    await tab.ask(SHORT_QUESTION)
    await expect_stored_once(tab, [SHORT_QUESTION])
    await come_to_rest(tab, wire)
    wire.change = lambda frame: [] if frame.event in ("message", "reply", "delta") else [frame]
    sent: list[str] = []

    async def lose_the_first(route: Route) -> None:
        sent.append(id_sent(route.request))
        if len(sent) > 1:
            return await route.continue_()
        await route.fetch()  # it is stored …
        worker.api.kill()
        await route.abort("connectionreset")  # … and the page cannot know

    await tab.page.route(re.compile(r"/rest/v1/chat_messages\?on_conflict"), lose_the_first)
    await tab.ask(QUESTION)
    await expect(tab.page.get_by_text("Not sent.")).to_contain_text("The server could not be reached.")
    [question] = [row["id"] for row in tab.stored() if row["content"] == QUESTION]
    worker.api.start()

    await expect_stored_once(tab, [SHORT_QUESTION, QUESTION])
    assert set(sent) == {str(question)}


def _shout(house: Stack, topic: str, times: int) -> None:
    """Somebody of the same project has much to say at once."""
    key = house.environment["SUPABASE_SECRET_KEY"]
    noise = {"topic": topic, "event": "noise", "payload": {}, "private": True}
    httpx.post(
        f"{house.environment['SUPABASE_URL']}/realtime/v1/api/broadcast",
        headers={"apikey": key, "Authorization": f"Bearer {key}"},
        json={"messages": [noise] * times},
        timeout=10,
    ).raise_for_status()
