"""The endpoint that exports a chat as a file."""

from flask import Response

from worker.web import export
from worker.web.api.problems import Problem, not_found
from worker.web.api.project import Caller
from worker.web.api.waiting import Shares


def download(caller: Caller, session_id: str, format: str, pdfs: Shares) -> Response:
    """A file with the chat, its post and its analysis. `pdfs`: a limit for PDFs of one user. Raises Problem."""
    if format not in export.FORMATS:
        raise Problem(400, "format_invalid", f"format must be one of: {', '.join(export.FORMATS)}.")
    transcript = export.read_transcript(lambda path, query: caller.read(path, **query), session_id)
    if transcript is None:
        raise not_found()
    is_scarce = format == "pdf"
    if is_scarce and not pdfs.take(caller.user_id):
        raise _busy("A file of yours is being made.")
    try:
        content, media_type = export.render(format, transcript)
    except export.Busy:
        raise _busy("Too many files are being made.") from None
    except export.TooLong:
        raise Problem(413, "export_too_long", "This chat is too long for a PDF. Take another format.") from None
    finally:
        if is_scarce:
            pdfs.give_back(caller.user_id)
    name = export.file_name(format, transcript)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(content, content_type=media_type, headers=headers)


def _busy(why: str) -> Problem:
    return Problem(503, "export_busy", f"{why} Try again.", headers={"Retry-After": "5"})
