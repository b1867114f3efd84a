"""The chat as Markdown: nothing in it loads a resource, and untrusted text cannot imitate our headings.

Answers are written anew from the same tree as the PDF; all other text is escaped, so that it shows as typed.
"""

from worker.web.export import nodes
from worker.web.export.dates import day, minute
from worker.web.export.marked_up import escaped, marked_up
from worker.web.export.transcript import Transcript, Turn

_ANSWER = 3
"""The level of the heading above an answer."""


def as_markdown(transcript: Transcript) -> str:
    post = transcript.post
    parts = [
        f"# {_in_a_line(post.title)}",
        # Above all untrusted text: below, this line could not be distinguished from an imitation.
        f"*Exported {minute(transcript.exported_at)}*",
        _in_a_line(post.url) + (f", posted {day(post.posted_at)}" if post.posted_at else ""),
        _quoted(post.caption or ""),
        _figures(post.figures),
        *(_section(title, points) for title, points in transcript.analysis.sections),
        *(_turn(turn) for turn in transcript.turns),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _figures(figures: list[tuple[str, str]]) -> str:
    rows = [f"| {_in_a_line(name)} | {_in_a_line(value)} |" for name, value in figures]
    return "\n".join(["| figure | value |", "|---|---|", *rows]) if rows else ""


def _section(title: str, points: list[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {_in_a_line(point)}" for point in points)])


def _turn(turn: Turn) -> str:
    parts = [f"## Question {turn.number}", f"*{minute(turn.asked_at)}*", _quoted(turn.question)]
    if turn.answer is not None and turn.answered_at is not None:
        answer = marked_up(nodes.markdown(turn.answer), below=_ANSWER)
        parts += [f"{'#' * _ANSWER} Answer", f"*{minute(turn.answered_at)}*", answer]
    if turn.note:
        parts.append(f"*{escaped(turn.note)}*")
    return "\n\n".join(part for part in parts if part)


def _quoted(text: str) -> str:
    # Two spaces at the end of a line make a line break in Markdown.
    return "\n".join(f"> {escaped(line.strip())}  " for line in text.splitlines())


def _in_a_line(text: str) -> str:
    return escaped(" ".join(text.split()))
