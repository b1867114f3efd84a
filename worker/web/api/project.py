"""The door to the project: PostgREST, asked with the caller's own token. Row-level security decides."""

from typing import Any, NoReturn

import httpx

from worker.web.api.problems import Problem, not_found, unauthorized

SECONDS = 10.0  # the longest that one question to the API may take
RETRY_SECONDS = "5"

Row = dict[str, Any]


class Project:
    """Pooled and shared by all requests; it holds no power of its own."""

    def __init__(self, supabase_url: str, publishable_key: str) -> None:
        self._client = httpx.Client(
            base_url=f"{supabase_url.rstrip('/')}/rest/v1",
            headers=httpx.Headers({"apikey": publishable_key}, encoding="utf-8"),
            timeout=SECONDS,
            limits=httpx.Limits(max_connections=100),
        )

    def as_caller(self, token: str) -> "Caller":
        return Caller(self._client, token)


class Caller:
    """The project, as one caller sees it. Every method raises Problem."""

    def __init__(self, client: httpx.Client, token: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}

    def read(self, table: str, **query: str) -> list[Row]:
        rows: list[Row] = self._ask("GET", f"/{table}", params=query)
        return rows

    def call(self, function: str, **arguments: Any) -> Row:
        """A function that answers one row."""
        answer = self._ask("POST", f"/rpc/{function}", json=arguments)
        row: Row = answer[0] if isinstance(answer, list) else answer
        return row

    def insert_once(self, table: str, row: Row) -> list[Row]:
        """The inserted row; nothing, if its id is taken."""
        rows: list[Row] = self._ask(
            "POST",
            f"/{table}",
            params={"on_conflict": "id"},
            json=row,
            headers={"Prefer": "resolution=ignore-duplicates,return=representation"},
        )
        return rows

    def _ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
        try:
            response = self._client.request(method, path, headers={**self._headers, **(headers or {})}, **more)
            body = response.json()
        except httpx.TimeoutException:
            raise Problem(504, "api_timed_out", "The Supabase API did not answer in time.") from None
        except (httpx.HTTPError, ValueError):
            raise Problem(502, "api_unreachable", "The Supabase API could not be reached.") from None
        if response.is_success:
            return body
        _refuse(response.status_code, body if isinstance(body, dict) else {})


def _refuse(status: int, body: Row) -> NoReturn:
    code = str(body.get("code") or "")
    if status == 401:
        raise unauthorized("The access token is missing, malformed or expired.")
    if status == 403:
        # An insert into a session that is not there, or not the caller's: row-level security says no more.
        raise not_found()
    if status == 404:
        raise Problem(404, str(body.get("hint") or "not_found"), _sentence(body, "There is no such thing."))
    if status in (409, 429):
        headers = {"Retry-After": RETRY_SECONDS} if status == 429 else {}
        raise Problem(status, str(body.get("hint") or code), _sentence(body, "It was refused."), headers=headers)
    if code == "23514":
        raise Problem(400, "message_invalid", "A message has 1 to 4,000 characters, and not only blanks.")
    if status == 503:
        raise Problem(503, "database_away", "The database does not answer.", headers={"Retry-After": RETRY_SECONDS})
    if status < 500:
        raise Problem(400, code or "refused", "The request was refused.")
    raise Problem(502, "api_failed", "The Supabase API failed.")


def _sentence(body: Row, otherwise: str) -> str:
    """Codes that begin with PT come with a sentence made for the reader; other texts of the API are not passed on."""
    return str(body["message"]) if str(body.get("code")).startswith("PT") else otherwise
