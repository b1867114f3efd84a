"""What tests of faults have in common: above all how they end, with what is stored on the page, once."""

import time

from playwright.async_api import Page, Request

from tests.support.browser.chat_page import ChatPage, Database
from tests.support.browser.diary import Diary, letters
from tests.support.browser.wire import Frame, Wire
from tests.support.waiting import until

QUESTION = "How can I improve this post?"  # its answer takes some seconds, and more if the model stalls
LOOKS_TWICE = 2.5  # seconds: the page looks each second whether there is something to read

_ANSWERS = """items => items.map(item => [...item.querySelectorAll(".chat-text")].map(text => text.textContent))"""


def give_a_long_answer(database: Database, page: ChatPage, word: str = "hook") -> None:
    insights = [f"Improve part {n}: {f'the {word}, the pace and the ending, ' * 8}and nothing else." for n in "abc"]
    database.execute(
        "update public.post_analyses set key_insights = to_jsonb(%s::text[]) where id = %s",
        [insights, page.member.analysis],
    )


async def enter(tab: ChatPage) -> None:
    """From nothing to the empty chat, through the form."""
    await tab.sign_in()
    await tab.open_post()
    await tab.open_chat()


async def come_to_rest(tab: ChatPage, wire: Wire) -> None:
    """It knows that its answer is complete, and reads nothing for as long as it takes to look twice."""
    await until(lambda: any(is_completion(frame) for frame in wire.heard), "word that the answer is complete")
    reads: list[float] = [time.monotonic()]

    def note(request: Request) -> None:
        if "/rest/v1/chat_messages" in request.url:
            reads.append(time.monotonic())

    tab.page.on("request", note)
    await until(lambda: time.monotonic() - reads[-1] > LOOKS_TWICE, "the page to come to rest")


def is_completion(frame: Frame) -> bool:
    return frame.event == "reply" and frame.payload["record"]["status"] == "completed"


def draft(database: Database, page: ChatPage, attempt: int = 1) -> str:
    """What is saved of the answer that is being written, by this attempt."""
    row = database.execute(
        """select private.draft_text(r.message_id, r.attempt, r.version) as content from public.chat_replies r
        join public.chat_messages m on m.id = r.message_id
        where m.session_id = %s and r.attempt = %s order by m.turn desc limit 1""",
        [page.session(), attempt],
    ).fetchone()
    return row["content"] if row else ""


async def expect_stored_once(page: ChatPage, questions: list[str]) -> None:
    """These questions, each answered, on the page and in the database; and nothing else."""
    await page.expect_answers(len(questions))
    stored = page.stored()
    assert [row["content"] for row in stored if row["role"] == "user"] == questions
    answers = page.stored_answers()
    assert len(answers) == len(questions)
    for turn, question in zip(await page.seen(), questions, strict=True):
        assert turn.question.startswith(question)
    shown = await page.turns.evaluate_all(_ANSWERS)
    assert [[letters(text) for text in texts] for texts in shown] == [[letters(answer)] for answer in answers]


async def expect_only_beginnings(diary: Diary, *wholes: str) -> None:
    """Nothing was ever shown but the beginning of one of these texts: never two joined, nothing twice."""
    shown = await diary.texts()
    assert shown
    strange = [text for text in shown if not any(letters(whole).startswith(text) for whole in wholes)]
    assert strange == []


async def wake(page: Page) -> None:
    """As a laptop does when it is opened."""
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
