"""How a test of a fault ends: the page shows what is stored, word for word, once."""

from playwright.async_api import Page

from tests.acceptance.browser.chat_page import ChatPage, Database
from tests.acceptance.browser.diary import Diary, letters

QUESTION = "How can I improve this post?"  # its answer takes some seconds, and more if the model stalls

_ANSWERS = """items => items.map(item => [...item.querySelectorAll(".chat-answer")].map(answer =>
  [...answer.children].filter(({ tagName }) => tagName !== "FOOTER").map(child => child.textContent).join(" ")))"""


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


def draft(database: Database, page: ChatPage, attempt: int = 1) -> str:
    """What is saved of the answer that is being written, by this attempt."""
    row = database.execute(
        """select d.content from public.chat_reply_drafts d
        join public.chat_messages m on m.id = d.message_id
        where m.session_id = %s and d.attempt = %s order by m.turn desc limit 1""",
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


def wake(page: Page) -> object:
    """As a laptop does when it is opened."""
    return page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
