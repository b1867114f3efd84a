"""What it means that a function of the database gave no result: the API is away, or it refuses. One table.

The SQLSTATE in the body decides where there is one, then PostgREST's own code, and only then the HTTP status:
PostgREST answers 500 for defects of a function as well, and a gateway answers in pages of its own.
"""

import datetime
import email.utils
import re
import time
from collections.abc import Mapping

from postgrest.exceptions import APIError

from worker.errors import DatabaseAway, DatabaseError, DatabaseRefused

# SQLSTATE classes of troubles that pass: connection, deadlock, resources, locks and time-outs, an operator's stop.
PASSING_CLASSES = ("08", "40", "53", "55", "57")
# A database that takes no writes just now: a project with a full disk, or a standby that is about to take over.
READ_ONLY = "25006"
# PostgREST's trouble with its database, schema cache and pool (0xx), with keys and clocks (3xx), and with itself (X).
PASSING_OF_POSTGREST = ("PGRST0", "PGRST3", "PGRSTX")
# 401 and 403 without a code come from the gateway, which checks keys alone: they may be changing just now.
PASSING_STATUS = {401, 403, 408, 425, 429}
TOO_LARGE = 413
LONGEST_WISH_SECONDS = 60.0

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


def of_library(
    function: str, error: Exception, status: int | None = None, headers: Mapping[str, str] | None = None
) -> DatabaseError:
    """What the library raised, of postgrest or httpx: there is no third end. `status` and `headers` are
    those of the answer, where they are known."""
    if isinstance(error, APIError):
        return translate(function, str(error.code or ""), status, headers or {})
    if isinstance(error, UnicodeEncodeError):
        # Half a surrogate pair in what we send: it would be refused again and again.
        return DatabaseRefused(f"{function}: text that is not UTF-8", "22021")
    # Nobody answered; or it is what a library should have kept to itself.
    return DatabaseAway(f"{function}: {type(error).__name__}")


def translate(function: str, code: str, status: int | None, headers: Mapping[str, str]) -> DatabaseError:
    """`code`: of the body, or empty; `status`: None where it is not known. The answer says code or status only."""
    if _SQLSTATE.fullmatch(code):
        is_away = code[:2] in PASSING_CLASSES or code == READ_ONLY
    elif code.startswith("PGRST"):
        is_away = code.startswith(PASSING_OF_POSTGREST)
    else:
        is_away = status is None or status in PASSING_STATUS or status >= 500 or status < 400
        # The library puts the status where there is no code.
        code = "" if code == str(status) else code[:40]
        if status == TOO_LARGE:  # that is the content, whichever server answers so
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
    """Seconds, from a number or a date."""
    if re.fullmatch(r"\d{1,9}", retry_after.strip()):
        return min(float(retry_after), LONGEST_WISH_SECONDS)
    try:
        date = email.utils.parsedate_to_datetime(retry_after)
        # Without a zone it is one of UTC, as all dates of HTTP are.
        at = date.replace(tzinfo=date.tzinfo or datetime.UTC).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, at - time.time()), LONGEST_WISH_SECONDS)
