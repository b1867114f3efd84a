"""Reads chats from the project and makes bodies of the HTTP API from their rows; openapi.json describes them.

Functions with a `caller` raise Problem. Times are ISO 8601, as PostgREST writes them.
"""

from datetime import datetime
from typing import NotRequired, TypedDict, cast

from worker.rows import ReplyStatus
from worker.web.api.problems import not_found
from worker.web.api.project import Caller, Row
from worker.web.api.requests import Page

# One row for each turn with everything that belongs to it, in one request, so that it is consistent.
# The answers are embedded through the reply: from a view, PostgREST cannot tell the two directions of reply_to apart.
TURN = (
    "*,reply:chat_replies(status,error_code,version,draft:chat_reply_drafts(attempt,content),"
    "question:chat_messages!message_id(answers:chat_messages!reply_to(*)))"
)
SUMMARY = "id,post_analysis_id,status,message_count,updated_at"
UNFINISHED = (ReplyStatus.PENDING, ReplyStatus.ANSWERING)
NIL = "00000000-0000-0000-0000-000000000000"  # before every id


class Answer(TypedDict):
    """A row of `chat_messages` with the role assistant."""

    id: str
    role: str
    content: str
    tokens_used: int | None
    created_at: str
    version: int


class Draft(TypedDict):
    """The saved text of an answer in progress, a row of `chat_reply_drafts`."""

    attempt: int
    content: str


class Answers(TypedDict):
    """The question that is embedded in a reply, only with its answers."""

    answers: list[Answer]
    """All stored versions, unordered."""


class ReplyRow(TypedDict, total=False):
    """A row of `chat_replies`, as TURN selects it."""

    status: str
    """A ReplyStatus."""
    error_code: str | None
    """An ErrorCode, of a reply that failed."""
    version: int
    draft: Draft | None
    question: Answers


class TurnRow(TypedDict):
    """A row of `chat_messages` with the role user, as TURN selects it. One that was just inserted has no `reply`."""

    id: str
    session_id: str
    user_id: str
    turn: int
    role: str
    content: str
    created_at: str
    reply: NotRequired[ReplyRow | None]


class UserMessage(TypedDict):
    """UserMessage of openapi.json. `status`: a ReplyStatus; `error_code`: an ErrorCode if it is failed."""

    id: str
    role: str
    content: str
    created_at: str
    status: str
    error_code: str | None


class AssistantMessage(TypedDict):
    """AssistantMessage of openapi.json."""

    id: str
    role: str
    content: str
    tokens_used: int | None
    created_at: str


def session(caller: Caller, session_id: str) -> Row:
    """`id`, `post_analysis_id`, `status`, `created_at`, `updated_at`. Raises Problem 404."""
    rows = caller.read(
        "chat_sessions", id=f"eq.{session_id}", select="id,post_analysis_id,status,created_at,updated_at"
    )
    if not rows:
        raise not_found()
    return rows[0]


def summaries(caller: Caller, query: dict[str, str]) -> list[Row]:
    """All chats with `id`, `post_analysis_id`, `status`, `message_count` and `updated_at`; the one with the newest
    message first. `query`: filters of PostgREST."""
    # Pages by id, not by offset: a message that arrives meanwhile would move chats to another page. The API may limit
    # the rows to any number, so only an empty page is the last.
    rows: list[Row] = []
    last = NIL
    while page := caller.read("chat_session_summaries", select=SUMMARY, order="id", **query, id=f"gt.{last}"):
        rows += page
        last = page[-1]["id"]
    return sorted(rows, key=lambda row: datetime.fromisoformat(row["updated_at"]), reverse=True)


def turns(caller: Caller, session_id: str, page: Page) -> tuple[list[TurnRow], int | None]:
    """The turns of a page, oldest first, without replaced questions; and `before` for the previous page, or None."""
    query = {"session_id": f"eq.{session_id}", "role": "eq.user", "select": TURN, "order": "turn.desc"}
    # One row more than is shown, to see whether there is a previous page. The API may limit the rows to any number,
    # so only an empty page is the last; but nothing precedes turn 1.
    wanted, before = page.limit + 1, page.before
    found: list[TurnRow] = []
    while len(found) < wanted and before != 1:
        older = {} if before is None else {"turn": f"lt.{before}"}
        more = caller.read("current_chat_messages", limit=str(wanted - len(found)), **query, **older)
        if not more:
            break
        found += cast(list[TurnRow], more)
        before = more[-1]["turn"]
    rows = found[: page.limit][::-1]
    return rows, rows[0]["turn"] if len(found) > page.limit else None


def turn(caller: Caller, message_id: str) -> TurnRow | None:
    """A question with its reply. None: it does not exist, or the caller may not see it."""
    rows = caller.read("chat_messages", id=f"eq.{message_id}", role="eq.user", select=TURN)
    return cast(TurnRow, rows[0]) if rows else None


def messages(of: list[TurnRow]) -> list[UserMessage | AssistantMessage]:
    """Each question, followed by its current answer if it has one."""
    shown: list[UserMessage | AssistantMessage] = []
    for row in of:
        shown.append(user_message(row))
        if answer := current_answer(row):
            shown.append(assistant_message(answer))
    return shown


def user_message(row: TurnRow) -> UserMessage:
    return {
        "id": row["id"],
        "role": row["role"],
        "content": row["content"],
        "created_at": row["created_at"],
        "status": _status(row),
        "error_code": _reply(row).get("error_code"),
    }


def assistant_message(row: Answer) -> AssistantMessage:
    return {
        "id": row["id"],
        "role": row["role"],
        "content": row["content"],
        "tokens_used": row["tokens_used"],
        "created_at": row["created_at"],
    }


def current_answer(row: TurnRow) -> Answer | None:
    """The newest stored version."""
    question = _reply(row).get("question")
    answers = question["answers"] if question else []
    return max(answers, key=lambda answer: int(answer["version"]), default=None)


def draft(row: TurnRow) -> Draft | None:
    """The text that is saved so far of an answer in progress."""
    return _reply(row).get("draft")


def is_under_way(row: TurnRow) -> bool:
    """Whether the reply is pending or being answered."""
    return _status(row) in UNFINISHED


def _status(row: TurnRow) -> str:
    return _reply(row).get("status", ReplyStatus.PENDING)


def _reply(row: TurnRow) -> ReplyRow:
    return row.get("reply") or {}
