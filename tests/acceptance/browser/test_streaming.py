"""An answer as it comes in."""

from tests.acceptance.browser.chat_page import ChatPage


async def test_an_answer_is_shown_as_it_is_stored(chat_page: ChatPage) -> None:
    answer = await chat_page.ask_and_wait("How many likes did it get?")

    assert "48210 likes" in answer
    assert [turn.state for turn in await chat_page.seen()] == ["completed"]
