"""Calls PostgREST with the caller's own access token, so that row-level security applies."""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import httpx

from worker.credentials import claims_of
from worker.network import api_http
from worker.web.api.problems import Problem, unauthorized

SECONDS = 10.0  # timeout of each step of a call to the API
RETRY = {"Retry-After": "5"}  # seconds
RETRY_COMMAND = {"Retry-After": "1"}
BUSY = "busy"  # the user has too many commands in progress; each takes a moment
# Code of a limit → members of its details that are passed on. Its response has a Retry-After.
LIMITS = {
    "quota_exceeded": ("limit", "most", "used", "resets_at"),
    "project_paused": ("reason", "resets_at"),
}
UNIQUE_VIOLATION = "23505"
NO_SENSE = "The Supabase API gave an answer that makes no sense here."
STATEMENT_TIMEOUT = "57014"
SAID_BY_GATEWAYS = (429, 503, 504)
# PostgREST's clock is behind that of Auth, which issued the token: the token is valid a moment later.
FROM_FUTURE = ("JWT issued at future", "JWT not yet valid")

Row = dict[str, Any]


class Project:
    """One connection pool for all requests, without credentials of its own."""

    def __init__(self, supabase_url: str, publishable_key: str, connections: int) -> None:
        self._client = httpx.Client(
            base_url=f"{supabase_url.rstrip('/')}/rest/v1",
            headers=httpx.Headers({"apikey": publishable_key}, encoding="utf-8"),
            **api_http.options(SECONDS),
            limits=httpx.Limits(max_connections=connections),
        )

    def as_caller(self, token: str) -> "Caller":
        return Caller(self._client, token)


class Caller:
    """The project under one caller's token. Its methods raise Problem only.

    Rows are dictionaries from column to JSON value; conversation.py has their types.
    """

    def __init__(self, client: httpx.Client, token: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}
        self.user_id = str((claims_of(token) or {}).get("sub"))
        """The user named in the token; unverified until a call has succeeded."""

    def read(self, table: str, **query: str) -> list[Row]:
        """Rows of a table or view. `query`: PostgREST's parameters, such as `id="eq.…"`."""
        return _rows(self._ask("GET", f"/{table}", params=query))

    def call(self, function: str, **arguments: Any) -> Row:
        """Call a function that returns one row; `arguments`: its parameters by name."""
        answer = self._ask("POST", f"/rpc/{function}", json=arguments)
        rows = _rows(answer if isinstance(answer, list) else [answer])
        if len(rows) != 1:
            raise _failed()
        return rows[0]

    def insert_once(self, table: str, row: Row) -> list[Row]:
        """The inserted row; an empty list if its id is in use, or was used by a deleted row."""
        headers = {"Prefer": "resolution=ignore-duplicates,return=representation"}
        try:
            return _rows(self._ask("POST", f"/{table}", params={"on_conflict": "id"}, json=row, headers=headers))
        except _Taken:
            return []

    def _ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
        try:
            response = self._client.request(method, path, headers={**self._headers, **(headers or {})}, **more)
        except httpx.TimeoutException:
            raise _timed_out() from None
        except (httpx.HTTPError, ValueError):
            raise _unreachable() from None
        try:
            body = response.json()
        except (ValueError, RecursionError):
            # Not JSON, so from a gateway: statuses that a gateway sends itself are treated like the API's.
            if response.status_code not in SAID_BY_GATEWAYS:
                raise _unreachable() from None
            body = {}
        if response.is_success:
            return body
        _refuse(response.status_code, body if isinstance(body, dict) else {}, response.headers)


class _Taken(Problem):
    """A unique value is in use or was used before. Only `insert_once` expects it; elsewhere it is a defect."""

    def __init__(self) -> None:
        super().__init__(502, "api_failed", NO_SENSE)


def _rows(answer: Any) -> list[Row]:
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise _failed()
    return answer


def _refuse(status: int, body: Row, headers: Mapping[str, str]) -> NoReturn:
    code = str(body.get("code") or "")
    if status == 401 and body.get("message") in FROM_FUTURE:
        words = "The clocks of the Supabase project disagree: the access token is valid in a moment."
        raise Problem(503, "token_from_future", words, headers=RETRY)
    if status == 401:
        raise unauthorized("The access token is missing, malformed or expired.")
    if code.startswith("PT") and status in (404, 409, 429):
        # Raised by our own functions and triggers, with sentences for users. No other text is passed on.
        hint, sentence = str(body.get("hint") or code), str(body.get("message") or "It was refused.")
        wait = RETRY_COMMAND if hint == BUSY else RETRY
        raise Problem(status, hint, sentence, headers=wait if status == 429 else {})
    if status == 429 and code in LIMITS:
        raise _beyond(code, body, headers)
    if code == UNIQUE_VIOLATION:
        raise _Taken
    if status == 403:
        raise Problem(403, "forbidden", "This is not allowed.")
    if status == 429:
        raise Problem(429, "too_many_requests", "The Supabase API takes no more at the moment.", headers=RETRY)
    if code == "23514":
        raise Problem(400, "message_invalid", "A message has 1 to 4,000 characters, and not only blanks.")
    if status == 503:
        raise Problem(503, "database_away", "The database does not answer.", headers=RETRY)
    if code == STATEMENT_TIMEOUT:
        sentence = "The database gave up after too long, and changed nothing: it is busy, or something of yours is."
        raise Problem(504, "api_timed_out", sentence)
    if status == 504:
        raise _timed_out()
    if status == 400:
        raise Problem(400, "refused", "The request was refused.")
    raise _failed()


def _beyond(code: str, body: Row, headers: Mapping[str, str]) -> Problem:
    """The Problem for a reached limit, with its details and Retry-After as far as the database gives them."""
    try:
        told = json.loads(str(body.get("details")))
    except (ValueError, RecursionError):
        told = None
    known = {name: told[name] for name in LIMITS[code] if name in told} if isinstance(told, dict) else {}
    wait = headers.get("retry-after", "")
    return Problem(
        429,
        code,
        str(body.get("message") or "It was refused."),
        headers={"Retry-After": wait} if re.fullmatch(r"[0-9]{1,10}", wait) else RETRY,
        **known,
    )


def _unreachable() -> Problem:
    return Problem(502, "api_unreachable", "The Supabase API could not be reached.")


def _timed_out() -> Problem:
    return Problem(504, "api_timed_out", "The Supabase API did not answer in time.")


def _failed() -> Problem:
    """For a defect, a gateway in between, or a project without the migrations."""
    return Problem(502, "api_failed", NO_SENSE)
