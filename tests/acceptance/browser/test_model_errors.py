"""An answer that fails: why, in words, and the way on from there."""

from typing import Any

import pytest
from playwright.async_api import expect

from tests.acceptance.browser.chat_page import ChatPage
from tests.acceptance.faulty_model import FaultyModel

QUESTION = "How many likes did it get?"
TRIES = 4  # of the worker, before it gives up what may pass


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"fault": "refuse", "status": 403}, "The model could not be reached."),
        ({"fault": "refuse", "status": 400}, "Something went wrong on our side."),
        (
            {"fault": "refuse", "status": 503, "retry_info": 0, "times": TRIES},
            "The model is overloaded at the moment.",
        ),
        (
            {"fault": "refuse", "status": 429, "retry_info": 0, "times": TRIES},
            "Too many questions are being asked at the moment.",
        ),
    ],
)
async def test_a_failure_is_told_and_a_retry_answers(
    chat_page: ChatPage, faulty_model: FaultyModel, fault: dict[str, Any], words: str
) -> None:
    faulty_model.add(**fault, question=QUESTION)
    await chat_page.ask(QUESTION)
    await chat_page.expect_state("failed")
    await expect(chat_page.turn().get_by_text(words)).to_be_visible()
    await expect(chat_page.chat.get_by_role("status")).to_have_text(words)
    assert chat_page.stored_answers() == []

    await chat_page.turn().get_by_role("button", name="Retry").click()
    await chat_page.expect_answers(1)
    await expect(chat_page.turn().get_by_text(words)).to_have_count(0)
    assert "48210 likes" in (await chat_page.seen())[0].answer
    assert len(chat_page.stored()) == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"fault": "blocked_prompt"}, "The model declined to answer this. Try to ask it differently."),
        (
            {"fault": "finish", "reason": "RECITATION", "after": 3},
            "The model declined to answer this. Try to ask it differently.",
        ),
        (
            {"fault": "refuse", "status": 413},
            "This is too long for the model. Try a shorter question.",
        ),
    ],
)
async def test_what_would_fail_again_has_no_retry_and_the_chat_goes_on(
    chat_page: ChatPage, faulty_model: FaultyModel, fault: dict[str, Any], words: str
) -> None:
    faulty_model.add(**fault, question=QUESTION)
    await chat_page.ask(QUESTION)
    await chat_page.expect_state("failed")
    await expect(chat_page.turn().get_by_text(words)).to_be_visible()
    await expect(chat_page.turn().get_by_role("button")).to_have_count(0)
    assert (await chat_page.seen())[0].answer == ""

    await chat_page.ask("What are the key insights?")
    await chat_page.expect_state("completed", 1)
    assert [turn.state for turn in await chat_page.seen()] == ["failed", "completed"]
