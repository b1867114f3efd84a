"""An answer as it comes in, and the reader who stops it."""

from playwright.async_api import expect

from tests.support.browser.chat_page import ChatPage, as_read
from tests.support.browser.long_answer import LONG_ANSWER, QUESTION
from tests.support.faulty_model import FaultyModel


async def test_an_answer_grows_and_ends_as_it_is_stored(chat_page: ChatPage, faulty_model: FaultyModel) -> None:
    faulty_model.add("say", question=QUESTION, text=LONG_ANSWER, pace_ms=15)
    await chat_page.record_growth()
    await chat_page.ask(QUESTION)
    await expect(chat_page.turn().get_by_text("Writing…")).to_be_visible()
    await expect(chat_page.answer()).to_have_attribute("aria-busy", "true")
    await chat_page.expect_answers(1)

    assert chat_page.stored_answers() == [LONG_ANSWER]
    assert (await chat_page.seen())[0].answer == as_read(LONG_ANSWER)
    growth = await chat_page.growth()
    assert len(set(growth)) >= 3
    assert growth == sorted(growth, key=len)
    assert all(as_read(LONG_ANSWER).startswith(text) for text in growth)
    await expect(chat_page.answer()).to_have_attribute("aria-busy", "false")
    await expect(chat_page.chat.get_by_role("status")).to_contain_text("Answer: ")


async def test_what_was_shown_when_it_was_stopped_is_kept(chat_page: ChatPage, faulty_model: FaultyModel) -> None:
    faulty_model.add("say", question=QUESTION, text=LONG_ANSWER, pace_ms=200)
    await chat_page.ask(QUESTION)
    await expect(chat_page.answer()).to_contain_text("Part 1")
    await chat_page.turn().get_by_role("button", name="Stop").click()
    shown = (await chat_page.seen())[0].answer
    await expect(chat_page.turn().get_by_text("You stopped this answer.")).to_be_visible()

    question, answer = chat_page.stored()
    assert answer["finish_reason"] == "cancelled"
    assert answer["reply_to"] == question["id"]
    kept = (await chat_page.seen())[0].answer
    assert kept == as_read(answer["content"])
    assert kept.startswith(as_read(shown))
    assert "Part 12" not in kept
    await expect(chat_page.turn().get_by_role("button", name="Stop")).to_have_count(0)


async def test_an_answer_stopped_before_its_first_word_can_be_asked_again(
    chat_page: ChatPage, faulty_model: FaultyModel
) -> None:
    faulty_model.add("stall", question=QUESTION)
    await chat_page.ask(QUESTION)
    await expect(chat_page.turn().get_by_text("Thinking…")).to_be_visible()
    await chat_page.turn().get_by_role("button", name="Stop").click()
    await chat_page.expect_state("cancelled")
    await expect(chat_page.turn().get_by_text("You stopped this answer.")).to_be_visible()
    assert chat_page.stored_answers() == []

    await chat_page.turn().get_by_role("button", name="Ask again").click()
    await chat_page.expect_answers(1)
    assert "48,210 likes" in (await chat_page.seen())[0].answer
    assert len(chat_page.stored_answers()) == 1


async def test_an_answer_that_was_cut_says_so(chat_page: ChatPage, faulty_model: FaultyModel) -> None:
    faulty_model.add("finish", question=QUESTION, reason="MAX_TOKENS", after=4)
    answer = await chat_page.ask_and_wait(QUESTION)

    await expect(chat_page.turn().get_by_text("The answer was cut at its greatest length.")).to_be_visible()
    assert answer.startswith("48,210 likes")
    assert chat_page.stored()[-1]["finish_reason"] == "max_tokens"
