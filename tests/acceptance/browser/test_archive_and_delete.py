"""A chat is put away, taken up again, or removed for good."""

from functools import partial

from playwright.async_api import Dialog, Route, expect

from tests.support.browser.chat_page import ChatPage, Database
from tests.support.browser.guard import Guard

QUESTION = "How many likes did it get?"
REFUSAL = "This chat is archived. Reopen it to ask more."


async def test_an_archived_chat_is_read_and_not_written_until_it_is_reopened(
    chat_page: ChatPage, database: Database
) -> None:
    await chat_page.ask_and_wait(QUESTION)
    await chat_page.choose("Archive")
    await expect(chat_page.chat.get_by_text("This chat is archived.")).to_be_visible()
    await expect(chat_page.composer).to_have_count(0)
    await chat_page.expect_answers(1)
    await expect(chat_page.page.get_by_role("button", name="Export as PDF")).to_be_hidden()
    status = database.execute("select status from public.chat_sessions where id = %s", [chat_page.session()])
    assert status.fetchone() == {"status": "archived"}
    chats = chat_page.page.get_by_role("region", name="Your chats")
    await expect(chats.get_by_role("listitem")).to_have_count(0)
    await chats.get_by_role("button", name="Archived (1)").click()
    await expect(chats.get_by_role("listitem")).to_have_count(1)

    await chat_page.chat.get_by_role("button", name="Reopen").click()
    await expect(chat_page.composer).to_be_visible()
    await chat_page.ask_and_wait("What are the key insights?")
    await expect(chats.get_by_role("listitem")).to_contain_text("4 messages")


async def test_a_message_that_comes_too_late_stays_with_words_and_is_sent_after_reopening(
    chat_page: ChatPage, database: Database, guard: Guard
) -> None:
    guard.allow("status of 409")
    await chat_page.ask_and_wait(QUESTION)

    async def archive_meanwhile(route: Route) -> None:
        database.execute("update public.chat_sessions set status = 'archived' where id = %s", [chat_page.session()])
        await route.continue_()

    await chat_page.page.route("**/rest/v1/chat_messages*", archive_meanwhile, times=1)
    await chat_page.ask("And what are the key insights?")
    await chat_page.expect_state("unsent")
    await expect(chat_page.turn().get_by_text(f"Not sent. {REFUSAL}")).to_be_visible()
    assert len(chat_page.stored()) == 2

    await chat_page.page.reload()
    await chat_page.expect_state("unsent")
    await expect(chat_page.turn().get_by_text(f"Not sent. {REFUSAL}")).to_be_visible()
    await chat_page.chat.get_by_role("button", name="Reopen").click()
    await expect(chat_page.composer).to_be_visible()
    await chat_page.turn().get_by_role("button", name="Send again").click()
    await chat_page.expect_answers(2)
    assert [row["role"] for row in chat_page.stored()] == ["user", "assistant"] * 2


async def test_the_options_close_with_escape_and_with_a_click_elsewhere(chat_page: ChatPage) -> None:
    page = chat_page.page
    await chat_page.ask_and_wait(QUESTION)
    export = page.get_by_role("button", name="Export as PDF")
    for leave in (partial(page.keyboard.press, "Escape"), chat_page.composer.click):
        await page.get_by_text("Options", exact=True).click()
        await expect(export).to_be_visible()
        await leave()
        await expect(export).to_be_hidden()


async def test_deleting_asks_first_and_removes_everything(chat_page: ChatPage, database: Database) -> None:
    await chat_page.ask_and_wait(QUESTION)
    session = chat_page.session()
    asked: list[str] = []

    async def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await dialog.dismiss()

    chat_page.page.once("dialog", refuse)
    await chat_page.choose("Delete")
    assert asked == ["Delete this chat with all its messages? This cannot be undone."]
    await chat_page.expect_answers(1)
    assert chat_page.session() == session

    chat_page.page.once("dialog", lambda dialog: dialog.accept())
    await chat_page.page.get_by_role("button", name="Delete").click()
    await expect(chat_page.chat.get_by_role("heading", name="Ask about this post")).to_be_visible()
    await expect(chat_page.turns).to_have_count(0)
    assert chat_page.session() is None
    left = database.execute("select count(*) from public.chat_messages where session_id = %s", [session])
    assert left.fetchone() == {"count": 0}
    await expect(chat_page.page.get_by_role("region", name="Your chats").get_by_role("listitem")).to_have_count(0)

    await chat_page.ask_and_wait(QUESTION)
    assert chat_page.session() not in (None, session)
