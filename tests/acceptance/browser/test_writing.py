"""Writing a question: keys, length, drafts, and text of any kind."""

from dataclasses import replace

from playwright.async_api import expect

from tests.support.browser.chat_page import ChatPage, Member
from tests.support.browser.fixtures import MakePage
from tests.support.people import People

LONGEST = 4_000  # characters


async def test_shift_and_enter_makes_a_line_and_enter_sends(chat_page: ChatPage) -> None:
    await chat_page.composer.press_sequentially("How many likes")
    await chat_page.composer.press("Shift+Enter")
    await chat_page.composer.press_sequentially("did it get?")
    await expect(chat_page.composer).to_have_value("How many likes\ndid it get?")
    await expect(chat_page.turns).to_have_count(0)

    await chat_page.composer.press("Enter")
    await expect(chat_page.composer).to_have_value("")
    await chat_page.expect_answers(1)
    assert chat_page.stored()[0]["content"] == "How many likes\ndid it get?"
    assert "How many likes\ndid it get?" in await chat_page.question().inner_text()


async def test_nothing_and_blanks_are_not_sent(chat_page: ChatPage) -> None:
    await expect(chat_page.send_button).to_be_disabled()
    await chat_page.ask("  \n ")
    await expect(chat_page.send_button).to_be_disabled()
    await chat_page.composer.fill("How many likes did it get?")
    await chat_page.send_button.click()
    await chat_page.expect_answers(1)


async def test_a_message_of_the_greatest_length_is_sent_and_a_longer_one_is_not(chat_page: ChatPage) -> None:
    # An emoji counts as one character here as in the database, though JavaScript's strings count two.
    longest = "How many likes 🥐🥚 did it get? ".ljust(LONGEST, "🥐")
    await chat_page.composer.fill(longest + "x")
    await expect(chat_page.chat.get_by_role("alert")).to_have_text("4,001 of 4,000 characters")
    await expect(chat_page.send_button).to_be_disabled()
    await chat_page.composer.press("Enter")
    await expect(chat_page.composer).to_have_value(longest + "x")
    await expect(chat_page.turns).to_have_count(0)

    await chat_page.composer.press("End")
    await chat_page.composer.press("Backspace")
    await expect(chat_page.chat.get_by_text("4,000 of 4,000 characters")).to_be_visible()
    await chat_page.composer.press("Enter")
    await chat_page.expect_answers(1)
    assert chat_page.stored()[0]["content"] == longest
    assert (await chat_page.seen())[0].question == longest


async def test_text_that_runs_from_right_to_left_does_so(chat_page: ChatPage) -> None:
    await chat_page.composer.fill("كم عدد الإعجابات؟ likes 🥐")
    direction = "e => getComputedStyle(e).direction"
    assert await chat_page.composer.evaluate(direction) == "rtl"
    await chat_page.composer.press("Enter")
    await chat_page.expect_answers(1)

    assert await chat_page.question().get_by_role("paragraph").evaluate(direction) == "rtl"
    assert chat_page.stored()[0]["content"] == "كم عدد الإعجابات؟ likes 🥐"
    await chat_page.ask_and_wait("And how many likes?")
    assert await chat_page.question().get_by_role("paragraph").evaluate(direction) == "ltr"


async def test_a_draft_is_kept_for_its_chat_over_switching_and_a_reload(
    make_page: MakePage, member: Member, people: People
) -> None:
    _, second = people.make_analysis(member.user)
    one = await make_page(member)
    other = ChatPage(one.page, one.address, replace(member, analysis=second), one.database)
    await one.sign_in_to_chat()
    await one.composer.fill("Half a thought\nof two lines")
    await other.go_to_chat()
    await expect(other.composer).to_have_value("")
    await other.composer.fill("Another thought")

    await one.go_to_chat()
    await expect(one.composer).to_have_value("Half a thought\nof two lines")
    await one.page.reload()
    await expect(one.composer).to_have_value("Half a thought\nof two lines")
    await other.go_to_chat()
    await expect(other.composer).to_have_value("Another thought")
    await other.composer.press("Enter")
    await other.expect_answers(1)
    await one.go_to_chat()
    await expect(one.composer).to_have_value("Half a thought\nof two lines")
    assert one.session() is None
    assert other.stored()[0]["content"] == "Another thought"


async def test_an_answer_is_copied_as_it_is_stored(chat_page: ChatPage) -> None:
    await chat_page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await chat_page.ask_and_wait("How many likes did it get?")
    await chat_page.answer().get_by_role("button", name="Copy").click()

    await expect(chat_page.answer().get_by_text("Copied")).to_be_visible()
    assert await chat_page.page.evaluate("navigator.clipboard.readText()") == chat_page.stored_answers()[0]
