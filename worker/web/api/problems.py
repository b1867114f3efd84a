"""Errors of the endpoints, all in the format of RFC 9457: `application/problem+json`."""

from http import HTTPStatus
from typing import Any

from flask import Response, json
from werkzeug.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """An error response. `code` is for programs, `detail` for people; `more`: further members of the body."""

    def __init__(
        self, status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(code)
        self.status = status
        self.headers = headers or {}
        self.body = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "code": code,
            **more,
        }


def respond(problem: Problem) -> Response:
    """The response for a Problem."""
    return Response(json.dumps(problem.body), problem.status, problem.headers, mimetype=MEDIA_TYPE)


def of_framework(error: HTTPException) -> Problem:
    """Flask's own refusals: an unknown path, a wrong method, a body too large."""
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    # Not HTTPStatus.name, which differs between versions of Python.
    code = error.name.lower().replace(" ", "_")
    return Problem(status, code, error.description or HTTPStatus(status).description, headers=headers)


def unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def too_many_of_yours() -> Problem:
    words = "Too many requests of yours are being answered at the same time. Try again."
    return Problem(429, "too_many_at_once", words, headers={"Retry-After": "1"})


def not_found() -> Problem:
    """The same for a missing session and for another user's: a difference would reveal that it exists."""
    return Problem(404, "not_found", "There is no such chat session.")
