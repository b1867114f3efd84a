"""A chat as a file to keep."""

from flask import Response

from worker.web import export
from worker.web.api.problems import Problem, not_found
from worker.web.api.project import Caller


def download(caller: Caller, session_id: str, format: str) -> Response:
    """With post and analysis. Raises Problem."""
    if format not in export.FORMATS:
        raise Problem(400, "format_invalid", f"format must be one of: {', '.join(export.FORMATS)}.")
    transcript = export.read_transcript(lambda path, query: caller.read(path, **query), session_id)
    if transcript is None:
        raise not_found()
    try:
        content, media_type = export.render(format, transcript)
    except export.Busy:
        raise Problem(
            503, "export_busy", "Too many files are being made. Try again.", headers={"Retry-After": "5"}
        ) from None
    except export.TooLong:
        raise Problem(413, "export_too_long", "This chat is too long for a PDF. Take another format.") from None
    name = export.file_name(format, transcript)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(content, content_type=media_type, headers=headers)
