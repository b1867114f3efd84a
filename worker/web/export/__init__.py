"""A chat as a file, with its post and analysis: plain text, Markdown, JSON or PDF."""

import re
from collections.abc import Callable

from worker.web.export.legible import all_legible
from worker.web.export.markdown import as_markdown
from worker.web.export.pdf import Busy, TooLong, as_pdf
from worker.web.export.structured import as_json
from worker.web.export.text import as_text
from worker.web.export.transcript import Ask, Transcript, read_transcript

__all__ = ["FORMATS", "Ask", "Busy", "TooLong", "Transcript", "file_name", "read_transcript", "render"]

_FORMATS: dict[str, tuple[Callable[[Transcript], str | bytes], str]] = {
    "txt": (as_text, "text/plain; charset=utf-8"),
    "md": (as_markdown, "text/markdown; charset=utf-8"),
    "json": (as_json, "application/json"),
    "pdf": (as_pdf, "application/pdf"),
}
FORMATS = tuple(_FORMATS)
_LONGEST_NAME = 60  # characters


def render(format: str, transcript: Transcript) -> tuple[bytes, str]:
    """The content of the file, and its media type. `format`: one of FORMATS.

    Raises KeyError for a format that is not in FORMATS; for a PDF, Busy and TooLong.
    """
    write, media_type = _FORMATS[format]
    # JSON is for programs: its text stays unchanged, with invisible characters as escapes.
    content = write(transcript if format == "json" else all_legible(transcript))
    return content if isinstance(content, bytes) else content.encode(), media_type


def file_name(format: str, transcript: Transcript) -> str:
    """Only ASCII letters, digits and hyphens, so that a creator's name cannot inject a header or a path."""
    about = f"chat {transcript.post.platform} {transcript.post.creator or ''}".lower()
    return re.sub(r"[^a-z0-9]+", "-", about)[:_LONGEST_NAME].strip("-") + f".{format}"
