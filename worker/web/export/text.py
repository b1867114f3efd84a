"""The chat as plain text. Answers keep their Markdown, as the model wrote it.

Untrusted text is indented, so that it cannot imitate our headings.
"""

from textwrap import indent

from worker.web.export.dates import day, minute
from worker.web.export.transcript import Transcript, Turn


def as_text(transcript: Transcript) -> str:
    post = transcript.post
    title = " ".join(post.title.split())
    parts = [
        f"{title}\n{'=' * len(title)}",
        "\n".join([_within(post.url), *([f"Posted {day(post.posted_at)}"] if post.posted_at else [])]),
        _within(post.caption or ""),
        _list("Figures", [f"{name}: {value}" for name, value in post.figures]),
        *(_list(title, points) for title, points in transcript.analysis.sections),
        *(_turn(turn) for turn in transcript.turns),
        f"Exported {minute(transcript.exported_at)}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _within(text: str) -> str:
    return indent(text, "  ")


def _list(title: str, points: list[str]) -> str:
    return "\n".join([title, *(f"- {_within(point).lstrip()}" for point in points)]) if points else ""


def _turn(turn: Turn) -> str:
    parts = [f"--- Question {turn.number}, {minute(turn.asked_at)}\n{_within(turn.question)}"]
    if turn.answer is not None and turn.answered_at is not None:
        parts.append(f"--- Answer, {minute(turn.answered_at)}\n{_within(turn.answer)}")
    if turn.note:
        parts.append(f"[{turn.note}]")
    return "\n\n".join(parts)
