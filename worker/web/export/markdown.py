"""The chat as Markdown. Answers are Markdown already; all other text is escaped, and shows as it was typed."""

import re

from markdown_it import MarkdownIt

from worker.web.export.dates import day, minute
from worker.web.export.transcript import Transcript, Turn

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&!()+-]|(?<=\d)\.)")
_BLOCKS = MarkdownIt("commonmark")


def as_markdown(transcript: Transcript) -> str:
    post = transcript.post
    parts = [
        f"# {_escaped(post.title)}",
        _escaped(post.url) + (f", posted {day(post.posted_at)}" if post.posted_at else ""),
        _quoted(post.caption or ""),
        _figures(post.figures),
        *(_section(title, points) for title, points in transcript.analysis.sections),
        *(_turn(turn) for turn in transcript.turns),
        f"---\n\nExported {minute(transcript.exported_at)}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _figures(figures: list[tuple[str, str]]) -> str:
    rows = [f"| {_escaped(name)} | {_escaped(value)} |" for name, value in figures]
    return "\n".join(["| figure | value |", "|---|---|", *rows]) if rows else ""


def _section(title: str, points: list[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {_escaped(point)}" for point in points)])


def _turn(turn: Turn) -> str:
    parts = [f"## Question {turn.number}", f"*{minute(turn.asked_at)}*", _quoted(turn.question)]
    if turn.answer is not None and turn.answered_at is not None:
        parts += ["### Answer", f"*{minute(turn.answered_at)}*", _contained(turn.answer)]
    if turn.note:
        parts.append(f"*{_escaped(turn.note)}*")
    return "\n\n".join(parts)


def _quoted(text: str) -> str:
    # Two spaces at the end of a line keep the break.
    return "\n".join(f"> {_escaped(line.strip())}  ".rstrip(" ") + "  " for line in text.splitlines())


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _contained(answer: str) -> str:
    """An answer that was cut off leaves a fence or an HTML comment open: it must not swallow the turns after it."""
    lines = answer.splitlines()
    tokens = _BLOCKS.parse(answer)
    for token in tokens:
        if token.type == "html_block" and token.map:
            for number in range(*token.map):
                lines[number] = lines[number].replace("<", "\\<")
    last = tokens[-1] if tokens else None
    if last and last.type == "fence" and not _closes(lines[-1], last.markup):
        lines.append(last.markup)
    return "\n".join(lines)


def _closes(line: str, fence: str) -> bool:
    bare = line.strip()
    return len(bare) >= len(fence) and not bare.strip(fence[0])
