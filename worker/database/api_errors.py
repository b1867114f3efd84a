"""Translates failed calls of database functions into DatabaseAway or DatabaseRefused.

The SQLSTATE in the body decides if there is one, then PostgREST's own code, and only then the HTTP status: PostgREST
also answers 500 for defects of a function, and gateways answer with pages without a code.
"""

import datetime
import email.utils
import re
import time
from collections.abc import Mapping

from postgrest.exceptions import APIError

from worker.errors import DatabaseAway, DatabaseError, DatabaseRefused

# SQLSTATE classes of temporary errors: connection, deadlock, resources, locks and time-outs, an operator's stop.
PASSING_CLASSES = ("08", "40", "53", "55", "57")
# The database is read-only at present: its disk is full, or a standby is about to take over.
READ_ONLY = "25006"
# PostgREST's temporary errors: database, schema cache and pool (0xx), keys and clocks (3xx), internal (X).
PASSING_OF_POSTGREST = ("PGRST0", "PGRST3", "PGRSTX")
# 401 and 403 without a code come from the gateway, which checks only keys: these may be changing at present.
PASSING_STATUS = {401, 403, 408, 425, 429}
TOO_LARGE = 413
LONGEST_WISH_SECONDS = 60.0

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


def of_library(
    function: str, error: Exception, status: int | None = None, headers: Mapping[str, str] | None = None
) -> DatabaseError:
    """Translates an exception of postgrest or httpx. `status` and `headers`: of the response, if known."""
    if isinstance(error, APIError):
        return translate(function, str(error.code or ""), status, headers or {})
    if isinstance(error, UnicodeEncodeError):
        # A lone surrogate in the request: a repetition would fail as well.
        return DatabaseRefused(f"{function}: text that is not UTF-8", "22021")
    # No response; or an unexpected exception of a library.
    return DatabaseAway(f"{function}: {type(error).__name__}")


def translate(function: str, code: str, status: int | None, headers: Mapping[str, str]) -> DatabaseError:
    """`code`: from the body, or empty; `status`: None if unknown. The error's message holds code or status only."""
    if _SQLSTATE.fullmatch(code):
        is_away = code[:2] in PASSING_CLASSES or code == READ_ONLY
    elif code.startswith("PGRST"):
        is_away = code.startswith(PASSING_OF_POSTGREST)
    else:
        is_away = status is None or status in PASSING_STATUS or status >= 500 or status < 400
        # Without a code, the library uses the status as the code.
        code = "" if code == str(status) else code[:40]
        if status == TOO_LARGE:  # caused by the content, whichever server answers so
            code = str(status)
    words = f"{function}: {code or _of_status(status)}"
    if not is_away:
        return DatabaseRefused(words, code)
    return DatabaseAway(words, _wish(headers.get("retry-after", "")), code)


def _of_status(status: int | None) -> str:
    if status is None:
        return "no code"
    if status in (401, 403):
        return "refused without a code (is the key of this project?)"
    return f"HTTP {status} without a code" if status >= 400 else "an answer that is not JSON"


def _wish(retry_after: str) -> float | None:
    """Seconds, from a number or a date in Retry-After; None if it is neither."""
    if re.fullmatch(r"\d{1,9}", retry_after.strip()):
        return min(float(retry_after), LONGEST_WISH_SECONDS)
    try:
        date = email.utils.parsedate_to_datetime(retry_after)
        # A date without a zone is in UTC, as in HTTP.
        at = date.replace(tzinfo=date.tzinfo or datetime.UTC).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, at - time.time()), LONGEST_WISH_SECONDS)
