"""A chat that has a past: questions with answers of any text, stored in the states that a worker leaves behind."""

from collections.abc import Iterable
from uuid import UUID, uuid4

from tests.support.browser.chat_page import Database, Member


def store(database: Database, member: Member, turns: Iterable[tuple[str, str]]) -> UUID:
    """The chat's id. In one transaction: the house's worker sees nothing to be answered."""
    session = uuid4()
    with database.transaction():
        database.execute(
            "insert into public.chat_sessions (id, user_id, post_analysis_id) values (%s, %s, %s)",
            [session, member.user.id, member.analysis],
        )
        for question, answer in turns:
            _store_turn(database, session, question, answer)
    return session


def numbered(count: int, lines: int = 1) -> list[tuple[str, str]]:
    """Question 1 and Answer 1, and so on; each answer of so many lines."""
    more = "\n\n".join(["One more line of it."] * (lines - 1))
    return [(f"Question {n} of {count}", f"Answer {n}.\n\n{more}".strip()) for n in range(1, count + 1)]


def _store_turn(database: Database, session: UUID, question: str, answer: str) -> None:
    message = uuid4()
    database.execute(
        "insert into public.chat_messages (id, session_id, content) values (%s, %s, %s)", [message, session, question]
    )
    database.execute(
        """insert into public.chat_messages (role, reply_to, version, content, finish_reason)
        values ('assistant', %s, 1, %s, 'stop')""",
        [message, answer],
    )
    database.execute(
        "update private.reply_queue set worker_id = %s, claim = 1, claimed_at = now() where message_id = %s",
        [uuid4(), message],
    )
    for status in ("answering", "completed"):
        database.execute("update public.chat_replies set status = %s where message_id = %s", [status, message])
