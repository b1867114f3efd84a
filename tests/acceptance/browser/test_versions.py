"""Another version of an answer, and a question in other words: in every tab, and after a reload."""

from playwright.async_api import BrowserContext, expect

from tests.support.browser.accessibility import violations
from tests.support.browser.chat_page import ANSWER_MS, ChatPage, Database, Member, as_read
from tests.support.browser.fixtures import MakePage
from tests.support.browser.guard import Guard
from tests.support.browser.long_answer import LONG_ANSWER, QUESTION
from tests.support.browser.phone import PHONE, expect_nothing_too_wide
from tests.support.faulty_model import FaultyModel

REFUSAL = "There is no new version. Something went wrong on our side."


async def ask_for(page: ChatPage, model: FaultyModel, answer: str) -> None:
    """The question, with this answer."""
    model.add("say", question=QUESTION, text=answer)
    await page.ask_and_wait(QUESTION)


def versions(page: ChatPage) -> list[tuple[int, str]]:
    return [(row["version"], row["content"]) for row in page.stored() if row["role"] == "assistant"]


def current(database: Database, page: ChatPage) -> list[str]:
    rows = database.execute(
        "select content from public.current_chat_messages where session_id = %s order by turn, role desc",
        [page.session()],
    )
    return [row["content"] for row in rows]


async def test_another_version_streams_in_and_the_first_stays_at_hand(
    chat_page: ChatPage, make_page: MakePage, context: BrowserContext, faulty_model: FaultyModel
) -> None:
    await ask_for(chat_page, faulty_model, "The first.")
    await chat_page.expect_version(None, "The first.")
    other = await make_page(chat_page.member, context)
    await other.go_to_chat()
    await other.expect_answers(1)

    faulty_model.add("say", question=QUESTION, text=LONG_ANSWER, pace_ms=15)
    await chat_page.record_growth()
    await other.record_growth()
    await chat_page.regenerate()
    for tab in (chat_page, other):
        await expect(tab.turn().get_by_role("group", name="Versions of this answer")).to_contain_text("2 of 2")
        await tab.expect_answers(1)
        growth = await tab.growth()
        assert len(set(growth)) >= 3
        assert all(as_read(LONG_ANSWER).startswith(text) for text in growth)
        assert (await tab.seen())[0].answer == as_read(LONG_ANSWER)
    assert versions(chat_page) == [(1, "The first."), (2, LONG_ANSWER)]

    await chat_page.show_version("Previous")
    await chat_page.expect_version("1 of 2", "The first.")
    await expect(chat_page.turn().get_by_role("button", name="Previous version")).to_have_attribute(
        "aria-disabled", "true"
    )
    await chat_page.show_version("Next")
    await expect(chat_page.answer()).to_contain_text("Part 12")

    await chat_page.page.reload()
    await chat_page.expect_answers(1)
    await expect(chat_page.answer()).to_contain_text("Part 12")
    await chat_page.show_version("Previous")
    await chat_page.expect_version("1 of 2", "The first.")


async def test_the_first_can_be_read_while_the_second_is_written(
    chat_page: ChatPage, faulty_model: FaultyModel
) -> None:
    await ask_for(chat_page, faulty_model, "The first.")
    faulty_model.add("say", question=QUESTION, text=LONG_ANSWER, pace_ms=100)
    await chat_page.regenerate()
    await expect(chat_page.answer()).to_contain_text("Part 1")
    await chat_page.show_version("Previous")
    await chat_page.expect_version("1 of 2", "The first.")
    await chat_page.expect_answers(1)
    await chat_page.expect_version("1 of 2", "The first.")
    await chat_page.show_version("Next")
    await expect(chat_page.answer()).to_contain_text("Part 12")


async def test_a_version_that_fails_leaves_the_first_and_says_what_failed(
    chat_page: ChatPage, make_page: MakePage, context: BrowserContext, faulty_model: FaultyModel
) -> None:
    await ask_for(chat_page, faulty_model, "The first.")
    other = await make_page(chat_page.member, context)
    await other.go_to_chat()
    await other.expect_answers(1)
    faulty_model.add("refuse", question=QUESTION, status=400)
    await chat_page.regenerate()
    await chat_page.expect_state("failed")
    await chat_page.page.reload()
    for tab in (other, chat_page):
        await tab.expect_state("failed")
        await tab.expect_version(None, "The first.")
        await expect(tab.answer().get_by_text(REFUSAL)).to_be_visible()
    await expect(other.chat.get_by_role("status")).to_have_text(REFUSAL)
    assert await violations(chat_page.page) == []

    faulty_model.add("say", question=QUESTION, text="The second.")
    await chat_page.turn().get_by_role("button", name="Retry").click()
    for tab in (chat_page, other):
        await tab.expect_state("completed")
        await tab.expect_version("2 of 2", "The second.")
        await expect(tab.answer().get_by_text(REFUSAL)).to_have_count(0)
    assert versions(chat_page) == [(1, "The first."), (2, "The second.")]


async def test_a_version_that_is_stopped_keeps_what_was_shown(chat_page: ChatPage, faulty_model: FaultyModel) -> None:
    await ask_for(chat_page, faulty_model, "The first.")
    faulty_model.add("say", question=QUESTION, text=LONG_ANSWER, pace_ms=200)
    await chat_page.regenerate()
    await expect(chat_page.answer()).to_contain_text("Part 1")
    await chat_page.turn().get_by_role("button", name="Stop").click()
    await expect(chat_page.turn().get_by_text("You stopped this answer.")).to_be_visible()
    (_, first), (number, second) = versions(chat_page)
    assert (first, number) == ("The first.", 2)
    assert "Part 12" not in second
    await chat_page.show_version("Previous")
    await chat_page.expect_version("1 of 2", "The first.")
    await expect(chat_page.turn().get_by_text("You stopped this answer.")).to_have_count(0)


async def test_a_version_that_is_stopped_before_its_first_word_leaves_the_first(
    chat_page: ChatPage, faulty_model: FaultyModel
) -> None:
    await ask_for(chat_page, faulty_model, "The first.")
    faulty_model.add("stall", question=QUESTION)
    await chat_page.regenerate()
    await expect(chat_page.turn().get_by_text("Thinking…")).to_be_visible()
    await chat_page.turn().get_by_role("button", name="Stop").click()
    await chat_page.expect_state("cancelled")
    await chat_page.expect_version(None, "The first.")
    await expect(chat_page.answer().get_by_text("You stopped the new version.")).to_be_visible()

    faulty_model.forget()  # the stop may have come before the call
    faulty_model.add("say", question=QUESTION, text="The second.")
    await chat_page.turn().get_by_role("button", name="Ask again").click()
    await chat_page.expect_version("2 of 2", "The second.")


async def test_a_question_in_other_words_takes_the_place_of_the_old_one(
    chat_page: ChatPage,
    make_page: MakePage,
    context: BrowserContext,
    database: Database,
) -> None:
    await chat_page.ask_and_wait("Who made it?")
    await chat_page.ask_and_wait("How many lkies did it get?")
    other = await make_page(chat_page.member, context)
    await other.go_to_chat()
    await other.expect_answers(2)

    await chat_page.edit(QUESTION)
    for tab in (chat_page, other):
        await expect(tab.question()).to_contain_text(QUESTION, timeout=ANSWER_MS)
        await tab.expect_answers(2)
        assert [turn.question for turn in await tab.seen()] == ["Who made it?", QUESTION]
        await expect(tab.chat.get_by_text("lkies")).to_have_count(0)
    assert len(chat_page.stored()) == 6
    assert len(current(database, chat_page)) == 4

    await chat_page.page.reload()
    await chat_page.expect_answers(2)
    assert await chat_page.seen() == await other.seen()
    chats = chat_page.page.get_by_role("region", name="Your chats")
    await expect(chats.get_by_role("listitem")).to_contain_text("4 messages")


async def test_editing_can_be_given_up(chat_page: ChatPage) -> None:
    await chat_page.ask_and_wait(QUESTION)
    await chat_page.turn().get_by_role("button", name="Edit this question").click()
    await expect(chat_page.editor).to_be_focused()
    await expect(chat_page.editor).to_have_value(QUESTION)
    assert await violations(chat_page.page) == []
    await chat_page.editor.press_sequentially(" And why?")
    await chat_page.editor.press("Escape")
    await expect(chat_page.editor).to_have_count(0)
    await expect(chat_page.turn().get_by_role("button", name="Edit this question")).to_be_focused()
    await expect(chat_page.question()).to_contain_text(QUESTION)
    assert len(chat_page.stored()) == 2


async def test_a_question_is_edited_while_its_answer_is_written(
    chat_page: ChatPage, faulty_model: FaultyModel
) -> None:
    slow = "How can I improve it?"
    faulty_model.add("say", question=slow, text=LONG_ANSWER, pace_ms=300)
    await chat_page.ask(slow)
    await expect(chat_page.answer()).to_contain_text("Part 1")
    await chat_page.edit(QUESTION)
    await chat_page.expect_answers(1)
    [turn] = await chat_page.seen()
    assert turn.question == QUESTION
    assert "48,210" in turn.answer


async def test_edited_without_a_connection_it_is_sent_later_and_once(
    chat_page: ChatPage, context: BrowserContext, guard: Guard, database: Database
) -> None:
    guard.allow("ERR_INTERNET_DISCONNECTED|Failed to fetch|WebSocket")
    await chat_page.ask_and_wait("How many lkies did it get?")
    await context.set_offline(True)
    await chat_page.edit(QUESTION)
    await expect(chat_page.turn()).to_have_attribute("data-state", "unsent")
    await expect(chat_page.turns).to_have_count(1)
    await context.set_offline(False)
    await expect(chat_page.question()).to_contain_text(QUESTION)
    await chat_page.expect_answers(1)
    assert [text for text in current(database, chat_page) if "get?" in text] == [QUESTION]
    assert len(chat_page.stored()) == 4


async def test_on_a_telephone_all_of_it_fits(make_page: MakePage, member: Member, faulty_model: FaultyModel) -> None:
    tab = await make_page(member, **PHONE)
    await tab.sign_in_to_chat()
    await ask_for(tab, faulty_model, "The first.")
    faulty_model.add("say", question=QUESTION, text=LONG_ANSWER, pace_ms=100)
    await tab.regenerate()
    await expect(tab.answer()).to_contain_text("Part 1")
    await expect_nothing_too_wide(tab.page)
    header = await tab.answer().locator("header").bounding_box()
    assert header
    assert header["height"] < 50, "the header of an answer under way is one line"
    await tab.expect_answers(1)
    await expect_nothing_too_wide(tab.page)
    await tab.turn().get_by_role("button", name="Edit this question").tap()
    await expect(tab.editor).to_be_in_viewport(ratio=1)
    await expect_nothing_too_wide(tab.page)
