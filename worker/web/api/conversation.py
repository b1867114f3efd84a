"""Rows of the project as the bodies that the plan names."""

from datetime import datetime
from typing import Any

from worker.rows import ReplyStatus
from worker.web.api.problems import not_found
from worker.web.api.project import Caller, Row
from worker.web.api.requests import Page

# One row for each turn, with all that belongs to it: read in one request, it is of one moment.
# The answers by way of the reply: from a view, PostgREST cannot tell a message's answers from what it answers.
TURN = (
    "*,reply:chat_replies(status,error_code,version,draft:chat_reply_drafts(attempt,content),"
    "question:chat_messages!message_id(answers:chat_messages!reply_to(*)))"
)
SUMMARY = "id,post_analysis_id,status,message_count,updated_at"
UNFINISHED = (ReplyStatus.PENDING, ReplyStatus.ANSWERING)
NIL = "00000000-0000-0000-0000-000000000000"  # before every id


def session(caller: Caller, session_id: str) -> Row:
    rows = caller.read(
        "chat_sessions", id=f"eq.{session_id}", select="id,post_analysis_id,status,created_at,updated_at"
    )
    if not rows:
        raise not_found()
    return rows[0]


def summaries(caller: Caller, query: dict[str, str]) -> list[Row]:
    """All of them, the one with the newest message first."""
    # By id and not by offset: a chat that gets a message meanwhile moves no other to another page. The API's own
    # limit of rows may be any number, so only an empty page is the end.
    rows: list[Row] = []
    last = NIL
    while page := caller.read("chat_session_summaries", select=SUMMARY, order="id", **query, id=f"gt.{last}"):
        rows += page
        last = page[-1]["id"]
    return sorted(rows, key=lambda row: datetime.fromisoformat(row["updated_at"]), reverse=True)


def turns(caller: Caller, session_id: str, page: Page) -> tuple[list[Row], int | None]:
    """Oldest first, without the questions that were replaced; and `before` for the page before this one, if any."""
    query = {"session_id": f"eq.{session_id}", "role": "eq.user", "select": TURN, "order": "turn.desc"}
    # One more than is shown: it tells whether there is a page before this one. The API's own limit of rows may be any
    # number, so only an empty page is the end; but nothing is before the first turn.
    wanted, before = page.limit + 1, page.before
    found: list[Row] = []
    while len(found) < wanted and before != 1:
        older = {} if before is None else {"turn": f"lt.{before}"}
        more = caller.read("current_chat_messages", limit=str(wanted - len(found)), **query, **older)
        if not more:
            break
        found += more
        before = more[-1]["turn"]
    rows = found[: page.limit][::-1]
    return rows, rows[0]["turn"] if len(found) > page.limit else None


def turn(caller: Caller, message_id: str) -> Row | None:
    rows = caller.read("chat_messages", id=f"eq.{message_id}", role="eq.user", select=TURN)
    return rows[0] if rows else None


def messages(of: list[Row]) -> list[Row]:
    shown = []
    for row in of:
        shown.append(user_message(row))
        if answer := current_answer(row):
            shown.append(assistant_message(answer))
    return shown


def user_message(row: Row) -> Row:
    reply = row.get("reply") or {}
    return {
        **_named(row, "id", "role", "content", "created_at"),
        "status": reply.get("status", ReplyStatus.PENDING),
        "error_code": reply.get("error_code"),
    }


def assistant_message(row: Row) -> Row:
    return _named(row, "id", "role", "content", "tokens_used", "created_at")


def current_answer(row: Row) -> Row | None:
    question = (row.get("reply") or {}).get("question") or {}
    answers: list[Row] = question.get("answers") or []
    return max(answers, key=lambda answer: int(answer["version"]), default=None)


def is_under_way(row: Row) -> bool:
    return (row.get("reply") or {}).get("status", ReplyStatus.PENDING) in UNFINISHED


def _named(row: Row, *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}
