"""Reads what is exported: a whole chat, its post and the fields of its analysis."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from worker.prompt.context import as_line
from worker.rows import FinishReason, ReplyStatus
from worker.web.export.dates import Moment, moment

# Reads the rows of a table or view, such as "chat_sessions", with PostgREST's query parameters.
Ask = Callable[[str, Mapping[str, str]], list[dict[str, Any]]]

PAGE = 200  # turns of one request to the API
# The answers are embedded through the reply: from a view, PostgREST cannot tell the two directions of reply_to apart.
_ANSWERS = (
    "question:chat_messages!message_id(answers:chat_messages!reply_to(content,version,finish_reason,created_at))"
)
_TURN = f"turn,content,created_at,reply:chat_replies(*,{_ANSWERS})"
_ENDS: dict[str, str] = {
    FinishReason.CANCELLED: "The answer was stopped.",
    FinishReason.MAX_TOKENS: "The answer was cut at its greatest length.",
    FinishReason.REPEATING: "The answer began to repeat itself, and was ended there.",
}


@dataclass(frozen=True)
class Post:
    """The post, by the columns of `posts`."""

    platform: str
    url: str
    creator: str | None
    caption: str | None
    posted_at: Moment | None
    metrics: dict[str, Any]

    @property
    def title(self) -> str:
        return f"Chat about a post by {self.creator or 'an unknown creator'} on {self.platform}"

    @property
    def figures(self) -> list[tuple[str, str]]:
        """Name and value as shown to a reader: ("engagement rate", "13.2%"), ("likes", "48,210")."""
        return [(name.replace("_", " "), _figure(value)) for name, value in self.metrics.items()]


@dataclass(frozen=True)
class Analysis:
    """The named fields of the analysis; each item of a list is one line."""

    quick_takeaways: list[str]
    viral_status: str | None
    frameworks: list[str]
    key_insights: list[str]
    creator_context: str | None

    @property
    def sections(self) -> list[tuple[str, list[str]]]:
        """Heading and points of each section that has any."""
        sections = [
            ("Takeaways", self.quick_takeaways),
            ("How far it travelled", [self.viral_status or ""]),
            ("Frameworks", self.frameworks),
            ("Key insights", self.key_insights),
            ("The creator", [self.creator_context or ""]),
        ]
        present = [(title, [point for point in points if point.strip()]) for title, points in sections]
        return [(title, points) for title, points in present if points]


@dataclass(frozen=True)
class Turn:
    """A question, and its newest answer if it has one.

    `state`: a ReplyStatus; COMPLETED also if a newer version of the answer failed or is in progress.
    `finish_reason`: a FinishReason, of the answer.
    """

    number: int
    question: str
    asked_at: Moment
    answer: str | None
    answered_at: Moment | None
    finish_reason: str | None
    state: str
    error_code: str | None

    @property
    def note(self) -> str | None:
        """A sentence on how the answer ended, if it did not end normally; else None."""
        if self.answer is not None:
            return _ENDS.get(self.finish_reason or FinishReason.STOP)
        if self.state == ReplyStatus.FAILED:
            return f"This question was not answered ({self.error_code})."
        if self.state == ReplyStatus.CANCELLED:
            return _ENDS[FinishReason.CANCELLED]
        return "The answer was still to come."


@dataclass(frozen=True)
class Transcript:
    """An exported chat. `status`: active or archived; `turns`: oldest first, without replaced questions."""

    session_id: str
    status: str
    created_at: Moment
    exported_at: datetime
    post: Post
    analysis: Analysis
    turns: list[Turn]


def read_transcript(ask: Ask, session_id: str) -> Transcript | None:
    """The whole chat, oldest turn first. None: it does not exist, or the caller may not see it.

    `session_id`: a UUID. Raises what `ask` raises.
    """
    wanted = {"id": f"eq.{session_id}", "select": "*,post_analyses(*,posts(*))"}
    sessions = ask("chat_sessions", wanted)
    if not sessions:
        return None
    session = sessions[0]
    analysis = session["post_analyses"]
    return Transcript(
        session_id=session["id"],
        status=session["status"],
        created_at=moment(session["created_at"]),
        exported_at=datetime.now(UTC),
        post=_post(analysis["posts"]),
        analysis=_analysis(analysis),
        turns=[_turn(row) for row in _rows(ask, session_id)],
    )


def _rows(ask: Ask, session_id: str) -> Iterator[dict[str, Any]]:
    # The view leaves out replaced questions. Pages by turn, not by offset: a question that is replaced meanwhile
    # would move rows to another page.
    last = 0
    while True:
        page = ask(
            "current_chat_messages",
            {
                "session_id": f"eq.{session_id}",
                "role": "eq.user",
                "turn": f"gt.{last}",
                "select": _TURN,
                "order": "turn",
                "limit": str(PAGE),
            },
        )
        yield from page
        # The API may have a smaller limit of rows, so only an empty page is the last.
        if not page:
            return
        last = page[-1]["turn"]


def _post(row: dict[str, Any]) -> Post:
    return Post(
        platform=row["platform"],
        url=row["url"],
        creator=row["creator"],
        caption=row["caption"],
        posted_at=moment(row["posted_at"]) if row["posted_at"] else None,
        metrics=row["metrics"],
    )


def _analysis(row: dict[str, Any]) -> Analysis:
    return Analysis(
        quick_takeaways=[as_line(item) for item in row["quick_takeaways"]],
        viral_status=row["viral_status"],
        frameworks=[as_line(item) for item in row["frameworks"]],
        key_insights=[as_line(item) for item in row["key_insights"]],
        creator_context=row["creator_context"],
    )


def _turn(row: dict[str, Any]) -> Turn:
    reply = row["reply"]
    answer = max(reply["question"]["answers"], key=lambda one: one["version"], default=None)
    is_older = answer is not None and answer["version"] < reply["version"]
    return Turn(
        number=row["turn"],
        question=row["content"],
        asked_at=moment(row["created_at"]),
        answer=answer["content"] if answer else None,
        answered_at=moment(answer["created_at"]) if answer else None,
        finish_reason=answer["finish_reason"] if answer else None,
        state=ReplyStatus.COMPLETED if is_older else reply["status"],
        error_code=None if is_older else reply["error_code"],
    )


def _figure(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else as_line(value)
