"""Faults that change the events or the framing of a whole answer, as Google's server rarely or never does."""

import copy
from typing import Any

from .faults import BlockedThenStop, Figures, Repeat, TwoAnswers

Events = list[dict[str, Any]]


def changed(events: Events, fault: Figures | Repeat | TwoAnswers | BlockedThenStop) -> Events:
    """The events of the answer as the fault changes them."""
    match fault:
        case Figures():
            told = {"usageMetadata": fault.usage, "modelVersion": fault.model_version}
            return [
                *events[:-1],
                {**events[-1], **{name: value for name, value in told.items() if value is not None}},
            ]
        case Repeat():
            return _repeated(events, fault.manner)
        case TwoAnswers():
            return [
                {**event, "candidates": [_other(event["candidates"][0]), *event["candidates"]]} for event in events
            ]
        case BlockedThenStop():
            return [*events[:-1], {**events[-1], "candidates": [{"finishReason": "SAFETY", "index": 0}]}, events[-1]]


def framed(piece: str, manner: str, is_first: bool) -> str:
    """An encoded event with another framing. `manner`: see Framing."""
    match manner:
        case "comments":
            return f": ping\r\n\r\n{piece}"
        case "fields":
            return f"event: message\r\nid: 7\r\nretry: 100\r\n{piece}"
        case "no_blank":
            return piece.replace("data: ", "data:", 1)
        case _:
            return f"\ufeff{piece}" if is_first else piece


def _repeated(events: Events, manner: str) -> Events:
    made, text = copy.deepcopy(events), ""
    for event in made:
        part = event["candidates"][0]["content"]["parts"][0]
        text += part["text"]
        if manner == "cumulative":
            part["text"] = text
    if manner == "last":
        last = copy.deepcopy(made[-1])
        last["candidates"][0]["content"]["parts"][0]["text"] = text
        made[-1]["candidates"][0].pop("finishReason")
        made.append(last)
    return made


def _other(candidate: dict[str, Any]) -> dict[str, Any]:
    return {**candidate, "content": {"parts": [{"text": "Something else. "}], "role": "model"}, "index": 1}
