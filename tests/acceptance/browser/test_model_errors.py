"""An answer that fails: why, in words, and the way on from there.

One fault for each sentence; which of the model's reasons become which error is tested without a browser."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import expect

from tests.support.browser.chat_page import ChatPage
from tests.support.faulty_model import FaultyModel
from worker.local.processes import Service

QUESTION = "How many likes did it get?"
# What the page says, and what the ledger calls it.
CODES = {
    "Something went wrong on our side.": "internal",
    "The model is overloaded, or out of reach, at the moment.": "model_overloaded",
    "The model declined to answer this. Try to ask it differently.": "content_blocked",
    "This is too long for the model. Try a shorter question.": "prompt_too_long",
    "The model gave no answer.": "empty_reply",
    "The answer broke off before its end.": "truncated",
}
TRIES = 4  # of the worker, before it gives up what may pass
ALL_TRIES_MS = 60_000  # with the pauses between them

WorkerWith = Callable[..., Service]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"fault": "refuse", "status": 400}, "Something went wrong on our side."),
        (
            {"fault": "refuse", "status": 503, "retry_info": 0, "times": TRIES},
            "The model is overloaded, or out of reach, at the moment.",
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
    assert chat_page.ledger() == [CODES[words]] * fault.get("times", 1)

    await chat_page.turn().get_by_role("button", name="Retry").click()
    await chat_page.expect_answers(1)
    await expect(chat_page.turn().get_by_text(words)).to_have_count(0)
    assert "48,210 likes" in (await chat_page.seen())[0].answer
    assert len(chat_page.stored()) == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            {"fault": "finish", "reason": "SAFETY", "after": 3},
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
    await expect(chat_page.turn().get_by_role("button", name="Retry")).to_have_count(0)
    assert (await chat_page.seen())[0].answer == ""
    assert chat_page.ledger() == [CODES[words]]

    await chat_page.ask("What are the key insights?")
    await chat_page.expect_state("completed", 1)
    assert [turn.state for turn in await chat_page.seen()] == ["failed", "completed"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"fault": "empty_text"}, "The model gave no answer."),
        ({"fault": "finish", "reason": None, "after": 3}, "The answer broke off before its end."),
    ],
)
async def test_what_may_pass_is_tried_again_before_it_is_told(
    chat_page: ChatPage, faulty_model: FaultyModel, fault: dict[str, Any], words: str
) -> None:
    number = faulty_model.add(**fault, question=QUESTION, times=TRIES)
    await chat_page.ask(QUESTION)
    await chat_page.expect_state("failed", timeout_ms=ALL_TRIES_MS)
    await expect(chat_page.turn().get_by_text(words)).to_be_visible()
    assert faulty_model.used(number) == TRIES
    assert (await chat_page.seen())[0].answer == ""
    assert chat_page.ledger() == [CODES[words]] * TRIES

    await chat_page.turn().get_by_role("button", name="Retry").click()
    await chat_page.expect_answers(1)


async def test_an_answer_that_takes_too_long_is_told(
    chat_page: ChatPage, worker_with: WorkerWith, faulty_model: FaultyModel
) -> None:
    worker_with(MODEL_IDLE_SECONDS=2)
    number = faulty_model.add("stall", after=3, question=QUESTION, times=TRIES)
    await chat_page.ask(QUESTION)
    await chat_page.expect_state("failed", timeout_ms=ALL_TRIES_MS)
    await expect(chat_page.turn().get_by_text("The answer took too long.")).to_be_visible()
    await expect(chat_page.turn().get_by_role("button", name="Retry")).to_be_visible()
    assert faulty_model.used(number) == TRIES
    assert chat_page.ledger() == ["timed_out"] * TRIES
