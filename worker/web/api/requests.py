"""Reads and validates the parts of a request. All functions raise Problem, unless they say otherwise."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from flask import Request

from worker.credentials import claims_of, is_secret
from worker.text import is_blank
from worker.web.api.problems import Problem, unauthorized

LONGEST_MESSAGE = 4000  # characters
MOST_TURNS = 200  # of one page

LONGEST_TOKEN = (
    8 * 1024
)  # characters; a longer header is refused by the API's gateways, which would look like an outage

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE | re.ASCII)  # RFC 6750
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")  # RFC 7519, signed: three parts in base64url


def token(request: Request) -> str:
    """The access token, well formed but not verified."""
    found = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    if not found:
        raise unauthorized("Send your Supabase access token: Authorization: Bearer <token>.")
    if found[1].startswith("sb_") or is_secret(found[1]):
        raise unauthorized("This is an API key. Send the access token of a signed-in user.")
    if len(found[1]) > LONGEST_TOKEN or not _JWT.fullmatch(found[1]) or claims_of(found[1]) is None:
        raise unauthorized("This is no access token of Supabase.")
    return found[1]


def sound_token(request: Request) -> str | None:
    """The same; None instead of a Problem."""
    try:
        return token(request)
    except Problem:
        return None


def fields(request: Request, wanted: str) -> str:
    """The value of the only field, a string, of the JSON object in the body."""
    if request.mimetype != "application/json":
        raise Problem(415, "unsupported_media_type", "Send JSON: Content-Type: application/json.")
    try:
        body: Any = request.get_json(silent=True)
    except RecursionError:  # nested too deeply
        body = None
    if not isinstance(body, dict) or set(body) != {wanted} or not isinstance(body[wanted], str):
        raise Problem(400, "body_invalid", f'The body must be a JSON object like {{"{wanted}": "…"}}.')
    return str(body[wanted])


def message(request: Request) -> str:
    """The text of a question: 1 to 4,000 characters, not only white space."""
    text = fields(request, "message")
    if "\x00" in text:
        raise _invalid("A message may not hold the character U+0000.")
    if not _is_unicode(text):
        raise _invalid(
            "A message may not hold half a character (a surrogate, \\ud800 to \\udfff, without its other half)."
        )
    if is_blank(text) or len(text) > LONGEST_MESSAGE:
        raise _invalid("A message has 1 to 4,000 characters, and not only blanks.")
    return text


def _invalid(sentence: str) -> Problem:
    return Problem(400, "message_invalid", sentence)


def identifier(text: str, name: str) -> str:
    """The UUID in its usual form; `name`: of the field, for the Problem."""
    try:
        return str(UUID(text))
    except ValueError:
        raise Problem(400, f"{name}_invalid", f"{name} must be a UUID.") from None


def message_id(request: Request) -> str:
    """The Idempotency-Key, so that a repeated request stores one question; a new UUID without one."""
    key = request.headers.get("Idempotency-Key")
    return str(uuid4()) if key is None else identifier(key.strip('"'), "idempotency_key")


def parameters(request: Request, *known: str) -> dict[str, str]:
    """The query parameters. Unknown ones are refused: a misspelt filter must not be ignored."""
    for name, values in request.args.lists():
        if name not in known or len(values) > 1:
            raise Problem(400, "parameter_invalid", f"Parameters are, once each: {', '.join(known) or 'none'}.")
    return request.args.to_dict()


@dataclass(frozen=True)
class Page:
    """At most `limit` turns, those before the turn `before`; None: the newest."""

    limit: int
    before: int | None


def page(request: Request) -> Page:
    """The query parameters `limit` (1 to 200, by default 100) and `before`."""
    given = parameters(request, "limit", "before")
    limit = _number(given, "limit", MOST_TURNS)
    return Page(limit or 100, _number(given, "before", 2**31 - 1))


def _number(given: dict[str, str], name: str, most: int) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= most:
        raise Problem(400, f"{name}_invalid", f"{name} must be a number from 1 to {most}.")
    return int(text)


def longest_wait(request: Request, most: float) -> float:
    """Seconds, by `Prefer: respond-async` or `Prefer: wait=N` (RFC 7240); never more than `most`."""
    preferences = [part.strip().lower() for part in ",".join(request.headers.getlist("Prefer")).split(",")]
    if "respond-async" in preferences:
        return 0.0
    for preference in preferences:
        if found := re.fullmatch(r"wait=([0-9]{1,6})", preference):
            return min(most, float(found[1]))
    return most


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
