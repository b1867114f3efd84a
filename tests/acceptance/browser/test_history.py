"""A chat of many turns: their order, reading back, and following the newest."""

from playwright.async_api import Locator, expect

from tests.support.browser.chat_page import ChatPage, Database, Member, as_read
from tests.support.browser.fixtures import MakePage
from tests.support.browser.history import numbered, store
from tests.support.browser.long_answer import LONG_ANSWER, QUESTION
from tests.support.faulty_model import FaultyModel

AT_THE_END = 8  # pixels


async def open_chat_of(member: Member, make_page: MakePage) -> ChatPage:
    tab = await make_page(member)
    await tab.sign_in_to_chat()
    return tab


async def top_of(element: Locator) -> float:
    box = await element.bounding_box()
    assert box is not None
    return box["y"]


async def left_below(tab: ChatPage) -> float:
    """Pixels from what is seen to the end of the chat."""
    below: float = await tab.scroller.evaluate("e => e.scrollHeight - e.scrollTop - e.clientHeight")
    return below


async def test_messages_keep_their_order_also_after_a_reload(chat_page: ChatPage) -> None:
    questions = ["How many likes did it get?", "What are the key insights?", "Who made it?"]
    for question in questions:
        await chat_page.ask(question)
    await chat_page.expect_answers(3)
    before = await chat_page.seen()
    assert [turn.question for turn in before] == questions
    assert [turn.answer for turn in before] == [as_read(text) for text in chat_page.stored_answers()]
    assert "48,210 likes" in before[0].answer
    assert "The hook is a question" in before[1].answer
    assert "mara" in before[2].answer

    await chat_page.page.reload()
    await chat_page.expect_answers(3)
    assert await chat_page.seen() == before
    answer = await chat_page.ask_and_wait("How many likes did it get, again?")
    assert "48,210 likes" in answer


async def test_a_long_chat_shows_its_newest_page_and_earlier_ones_without_moving_what_is_read(
    make_page: MakePage, member: Member, database: Database
) -> None:
    store(database, member, numbered(70))
    tab = await open_chat_of(member, make_page)
    await expect(tab.turns).to_have_count(30)
    assert [turn.question for turn in await tab.seen()] == [f"Question {n} of 70" for n in range(41, 71)]
    assert await left_below(tab) < AT_THE_END

    earlier = tab.chat.get_by_role("button", name="Show earlier messages")
    for first, count in ((41, 60), (11, 70)):
        await tab.scroller.evaluate("e => { e.scrollTop = 0 }")
        read = tab.turns.filter(has_text=f"Question {first} of 70")
        before = await top_of(read)
        await earlier.click()
        await expect(tab.turns).to_have_count(count)
        assert abs(await top_of(read) - before) <= 2
    await expect(earlier).to_have_count(0)
    seen = await tab.seen()
    assert [turn.question for turn in seen] == [f"Question {n} of 70" for n in range(1, 71)]
    assert [turn.answer for turn in seen] == [f"Answer {n}." for n in range(1, 71)]


async def test_the_page_follows_the_stream_lets_go_when_the_reader_scrolls_up_and_is_brought_back(
    make_page: MakePage, member: Member, database: Database, faulty_model: FaultyModel
) -> None:
    store(database, member, numbered(8, lines=3))
    faulty_model.add("say", question=QUESTION, text=LONG_ANSWER * 2, pace_ms=20)
    tab = await open_chat_of(member, make_page)
    newest = tab.chat.get_by_role("button", name="Newest")

    await tab.ask(QUESTION)
    await tab.expect_state("writing")
    height = await tab.scroller.evaluate("e => e.scrollHeight")
    await tab.page.wait_for_function(
        "([e, height]) => e.scrollHeight > height + 40 && e.scrollHeight - e.scrollTop - e.clientHeight < 8",
        arg=[await tab.scroller.element_handle(), height],
    )
    await expect(newest).to_have_count(0)

    await tab.scroller.hover()
    await tab.page.mouse.wheel(0, -400)
    await expect(newest).to_be_visible()
    read = tab.turn(6)
    before = await top_of(read)
    height = await tab.scroller.evaluate("e => e.scrollHeight")
    await tab.page.wait_for_function(
        "([e, height]) => e.scrollHeight > height + 40", arg=[await tab.scroller.element_handle(), height]
    )
    assert await top_of(read) == before

    await newest.click()
    await expect(newest).to_have_count(0)
    await tab.expect_state("completed", 8)
    assert await left_below(tab) < AT_THE_END


async def test_ones_own_question_brings_the_reader_to_the_end(
    make_page: MakePage, member: Member, database: Database
) -> None:
    store(database, member, numbered(12))
    tab = await open_chat_of(member, make_page)
    await expect(tab.turns).to_have_count(12)
    await tab.scroller.evaluate("e => { e.scrollTop = 0 }")
    await expect(tab.chat.get_by_role("button", name="Newest")).to_be_visible()

    await tab.ask("How many likes did it get?")
    await tab.expect_answers(13)
    await expect(tab.turn()).to_be_in_viewport()
    assert await left_below(tab) < AT_THE_END
