"""A project that has switched row changes off: the worker starts, the page streams, and other tabs follow."""

from collections.abc import Iterator

import pytest

from tests.support.browser.chat_page import ChatPage, Database, Member, as_read
from tests.support.browser.fixtures import MakePage
from tests.support.faulty_model import FaultyModel
from worker.local.stack import ROOT, Stack

SNIPPET = (ROOT / "supabase/snippets/no_row_changes.sql").read_text()
QUESTION = "How many likes did it get?"
LONG_ANSWER = "\n\n".join(f"Part {n}: the hook, the pace and the ending of it." for n in range(1, 13))


@pytest.fixture
def switched_off(house: Stack, database: Database) -> Iterator[None]:
    """With a worker that has never known it otherwise."""
    house.worker.stop()
    database.execute(SNIPPET.encode())
    yield
    database.execute(SNIPPET.replace(" drop table ", " add table ").encode())


async def test_page_and_worker_need_no_row_changes(
    switched_off: None, chat_page: ChatPage, make_page: MakePage, member: Member, faulty_model: FaultyModel
) -> None:
    await chat_page.ask_and_wait("And the first?")
    other = await make_page(member)
    await other.sign_in_to_chat()
    await other.expect_answers(1)
    faulty_model.add("say", question=QUESTION, text=LONG_ANSWER, pace_ms=15)
    await chat_page.record_growth()
    await chat_page.ask(QUESTION)
    await chat_page.expect_answers(2)
    await other.expect_answers(2)

    assert chat_page.stored_answers()[-1] == LONG_ANSWER
    for tab in (chat_page, other):
        assert (await tab.seen())[-1].answer == as_read(LONG_ANSWER)
    assert len(set(await chat_page.growth())) >= 3, "it came word by word"
