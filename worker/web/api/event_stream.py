"""An answer as server-sent events: the drafts as they are saved, then the row."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask import json

from worker.web.api import conversation, http_answer
from worker.web.api.conversation import Draft, TurnRow
from worker.web.api.problems import Problem


def stream(polled: Iterator[TurnRow]) -> Iterator[str]:
    """Encoded events: user_message, draft (each time it has grown), then assistant_message, status or problem.

    A Problem is not raised, but becomes the last event.
    """
    last: TurnRow | None = None
    told: Draft | None = None
    try:
        for row in polled:
            if last is None:
                yield _event("user_message", conversation.user_message(row))
            last = row
            draft = conversation.draft(row)
            if draft and draft != told:
                told = draft
                yield _event("draft", {"attempt": draft["attempt"], "text": draft["content"]})
        if last is not None:
            status, body = http_answer.of(last)
            yield _event("assistant_message", body["assistant_message"]) if status == 200 else _event("status", body)
    except Problem as problem:
        yield _event("problem", problem.body)


def _event(name: str, data: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
