"""An answer as server-sent events of Gemini's stream."""

import json
import uuid
from typing import Any

from . import wire
from .answers import answer
from .tokens import count_tokens, pieces, truncate
from .wire import Request


def finished(request: Request, text: str | None = None) -> tuple[str, str]:
    """The answer, or `text` instead, up to the request's token limit; and its finish reason."""
    text = answer(request.turns, request.system_instruction) if text is None else text
    limit = request.max_output_tokens
    if limit is not None and count_tokens(text) > limit:
        return truncate(text, limit), "MAX_TOKENS"
    return text, "STOP"


def events(request: Request, text: str | None = None) -> list[dict[str, Any]]:
    """The events of an answer, one for each piece, with the usage so far; the last one has the finish reason."""
    text, finish_reason = finished(request, text)
    parts = pieces(text)
    response_id = new_id()
    made = []
    shown = 0
    for number, part in enumerate(parts, start=1):
        shown += len(part)
        usage = wire.usage(request.prompt_tokens, count_tokens(text[:shown]))
        last = finish_reason if number == len(parts) else None
        made.append(wire.chunk(part, usage, response_id, last))
    return made


def encode(event: dict[str, Any]) -> str:
    """As text/event-stream."""
    return f"data: {json.dumps(event, ensure_ascii=False)}\r\n\r\n"


def new_id() -> str:
    return uuid.uuid4().hex
