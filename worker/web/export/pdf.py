"""The chat as PDF, set by Typst. All text reaches the template as data: none of it is ever read as markup."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import manimgx_fonts
import manimgx_fonts_cjk
import typst

from worker.web.export import nodes
from worker.web.export.dates import day, minute
from worker.web.export.transcript import Transcript, Turn

_TEMPLATE = Path(__file__).parent / "chat.typ"


def as_pdf(transcript: Transcript) -> bytes:
    compiled = typst.compile(
        _TEMPLATE,
        root=_TEMPLATE.parent,
        font_paths=_fonts(),
        format="pdf",
        sys_inputs={"chat": json.dumps(_document(transcript), ensure_ascii=False)},
        timestamp=transcript.exported_at.replace(microsecond=0),
    )
    return bytes(compiled)


@cache
def _fonts() -> typst.Fonts:
    # The system's fonts stay out: every server sets the same pages.
    folders = [Path(package.__path__[0]) for package in (manimgx_fonts, manimgx_fonts_cjk)]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=folders)


def _document(transcript: Transcript) -> dict[str, Any]:
    post = transcript.post
    return {
        "title": post.title,
        "families": _families(),
        "source": nodes.plain(post.url),
        "posted": f"Posted {day(post.posted_at)}" if post.posted_at else None,
        "exported": f"Exported {minute(transcript.exported_at)}",
        "caption": nodes.plain(post.caption or ""),
        "figures": post.figures,
        "sections": [
            {"title": title, "points": [nodes.plain(point) for point in points]}
            for title, points in transcript.analysis.sections
        ],
        "turns": [_turn(turn) for turn in transcript.turns],
    }


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "number": turn.number,
        "asked": minute(turn.asked_at),
        "question": nodes.plain(turn.question),
        "answered": minute(turn.answered_at) if turn.answered_at else None,
        "answer": nodes.markdown(turn.answer or ""),
        "note": turn.note,
    }


@cache
def _families() -> list[str]:
    """Latin first, then whatever else has the character."""
    noto = sorted(family for family in _fonts().families() if family.startswith("Noto Sans "))
    others = [family for family in noto if "CJK" not in family]
    return ["Noto Sans", *others, "Noto Sans CJK SC", "Noto Emoji"]
