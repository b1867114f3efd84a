"""An answer as server-sent events: the drafts as they are saved, then the row."""

from collections.abc import Iterator

from flask import json

from worker.web.api import conversation, outcome
from worker.web.api.problems import Problem
from worker.web.api.project import Row


def stream(looks: Iterator[Row]) -> Iterator[str]:
    """user_message, draft (each time it has grown), then assistant_message, status or problem."""
    last: Row | None = None
    told = None
    try:
        for row in looks:
            if last is None:
                yield _event("user_message", conversation.user_message(row))
            last = row
            draft = (row.get("reply") or {}).get("draft")
            if draft and draft != told:
                told = draft
                yield _event("draft", {"attempt": draft["attempt"], "text": draft["content"]})
        if last is not None:
            status, body = outcome.of(last)
            yield _event("assistant_message", body["assistant_message"]) if status == 200 else _event("status", body)
    except Problem as problem:
        yield _event("problem", problem.body)


def _event(name: str, data: Row) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
