"""The HTTP status and body for the present state of a question."""

from typing import TypedDict

from worker.rows import ErrorCode, ReplyStatus
from worker.web.api import conversation
from worker.web.api.conversation import AssistantMessage, TurnRow, UserMessage
from worker.web.api.problems import Problem

# HTTP status by the error code of a failed reply; 502 for all others. 503 and 504: a later retry makes sense.
STATUSES: dict[str, int] = {
    ErrorCode.TIMED_OUT: 504,
    ErrorCode.RATE_LIMITED: 503,
    ErrorCode.MODEL_OVERLOADED: 503,
    ErrorCode.WAITED_TOO_LONG: 503,
}


class Body(TypedDict, total=False):
    """`user_message`, and either `status` (202) or `assistant_message` (200)."""

    user_message: UserMessage
    assistant_message: AssistantMessage
    status: str


def of(row: TurnRow) -> tuple[int, Body]:
    """200 with both messages, or 202 with the question and its status. Raises Problem for a reply that failed.

    A stored answer is returned even if a newer version failed or was stopped.
    """
    question = conversation.user_message(row)
    answer = conversation.current_answer(row)
    if conversation.is_under_way(row):
        return 202, {"user_message": question, "status": question["status"]}
    if answer is not None:
        return 200, {"user_message": question, "assistant_message": conversation.assistant_message(answer)}
    if question["status"] == ReplyStatus.FAILED:
        raise failure(question)
    raise Problem(409, "reply_cancelled", "The answer was stopped before its first word.", user_message=question)


def failure(question: UserMessage) -> Problem:
    """The Problem for a failed reply, with its error code and the question."""
    code = str(question["error_code"])
    status = STATUSES.get(code, 502)
    headers = {"Retry-After": "30"} if status == 503 else {}
    return Problem(
        status, code, "The question is kept, but its answer failed.", headers=headers, user_message=question
    )
