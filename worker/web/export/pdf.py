"""The chat as PDF. Text is passed to the typesetter as data, so none of it is interpreted as markup."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from worker.web.export import nodes
from worker.web.export.breaks import breakable
from worker.web.export.dates import day, minute
from worker.web.export.transcript import Transcript, Turn

AT_ONCE = 2  # PDFs; each uses one core
LONGEST = 60  # seconds for one PDF

_TYPESETTER = Path(__file__).with_name("typesetter.py")
_slots = threading.BoundedSemaphore(AT_ONCE)


class Busy(Exception):
    """AT_ONCE PDFs are being made: try again shortly."""


class TooLong(Exception):
    """The chat did not become a PDF within a minute and 2 GB; the other formats have no such limit."""


def as_pdf(transcript: Transcript) -> bytes:
    """Raises Busy or TooLong."""
    document = json.dumps(breakable(_document(transcript)), ensure_ascii=False).encode()
    if not _slots.acquire(blocking=False):
        raise Busy
    try:
        return _set(document)
    finally:
        _slots.release()


def _set(document: bytes) -> bytes:
    # A separate process returns its memory, can be stopped, and has no secrets in its environment.
    command = [sys.executable, "-I", str(_TYPESETTER)]
    try:
        done = subprocess.run(command, input=document, capture_output=True, env={}, timeout=LONGEST, check=True)
    except subprocess.TimeoutExpired:
        raise TooLong from None
    except subprocess.CalledProcessError as error:
        if error.returncode < 0:  # ended by the system: out of memory
            raise TooLong from None
        # Without its output, which may contain text of the chat.
        raise RuntimeError(f"The typesetter failed with {error.returncode}.") from None
    return done.stdout


def _document(transcript: Transcript) -> dict[str, Any]:
    post = transcript.post
    return {
        "title": post.title,
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
