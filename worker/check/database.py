"""Reads the database's report on its installation over the API, with the same client as the worker."""

from dataclasses import dataclass
from typing import Any

import httpx
import supabase

from worker.check import clocks, expected
from worker.check.findings import Finding
from worker.check.installation import PUSH, Facts
from worker.database import api_errors
from worker.errors import DatabaseError
from worker.network import api_http

FUNCTION = "check_installation"
SECONDS = 15.0
NO_SUCH_FUNCTION = "PGRST202"


@dataclass(frozen=True)
class Answer:
    findings: list[Finding]
    facts: Facts | None
    """The JSON of check_installation; None if the call failed."""


async def ask(url: str, secret: str) -> Answer:
    http = httpx.AsyncClient(**api_http.options(SECONDS))
    options = supabase.AsyncClientOptions(httpx_client=http, auto_refresh_token=False)
    client = await supabase.acreate_client(url, secret, options)
    names = {"relations": [*expected.RELATIONS, expected.CHANNELS], "functions": list(expected.FUNCTIONS)}
    watch = clocks.Stopwatch()
    try:
        async with api_http.whole(SECONDS):
            facts: Any = (await client.rpc(FUNCTION, names).execute()).data
    except Exception as error:
        return Answer([_failed(api_errors.of_library(FUNCTION, error))], None)
    finally:
        await client.postgrest.aclose()
    if not isinstance(facts, dict):
        return Answer([_refused("")], None)
    clock = clocks.judge("The database's", clocks.ahead_by_time(facts["clock"], watch.middle))
    return Answer([clock], facts)


def _failed(error: DatabaseError) -> Finding:
    if error.code:
        return _refused(error.code)
    words = f"The API does not answer for the database ({str(error).removeprefix(f'{FUNCTION}: ')})."
    return Finding("problem", "database", words, "Is the database up?")


def _refused(code: str) -> Finding:
    if code == NO_SUCH_FUNCTION:
        words = "The database does not know our functions: the migrations are not applied, or not all of them."
        return Finding("problem", "database", words, PUSH)
    if code == "42501":
        words = "The secret key may not ask the database about its installation."
        return Finding("problem", "database", words, "Grant what supabase/migrations grants to service_role again.")
    return Finding("problem", "database", f"The database gave no answer (code {code or 'unknown'}).", "Is it up?")
