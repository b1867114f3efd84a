"""Asks the database what it knows of itself, over the API and with the worker's own client."""

from dataclasses import dataclass
from typing import Any

import httpx
import supabase
from postgrest.exceptions import APIError

from worker.check import clocks, expected
from worker.check.findings import Finding
from worker.check.installation import PUSH, Facts
from worker.network import api_http

SECONDS = 15.0
NO_SUCH_FUNCTION = "PGRST202"


@dataclass(frozen=True)
class Answer:
    findings: list[Finding]
    facts: Facts | None
    """What check_installation says; None if it could not be asked."""


async def ask(url: str, secret: str) -> Answer:
    http = httpx.AsyncClient(**api_http.options(SECONDS))
    options = supabase.AsyncClientOptions(httpx_client=http, auto_refresh_token=False)
    client = await supabase.acreate_client(url, secret, options)
    names = {"relations": [*expected.RELATIONS, expected.CHANNELS], "functions": list(expected.FUNCTIONS)}
    watch = clocks.Stopwatch()
    try:
        async with api_http.whole(SECONDS):
            facts: Any = (await client.rpc("check_installation", names).execute()).data
    except APIError as error:
        return Answer([_refused(str(error.code or ""))], None)
    except (httpx.HTTPError, TimeoutError, ValueError) as error:
        words = f"The API does not answer for the database ({type(error).__name__})."
        return Answer([Finding("problem", "database", words, "Is the database up?")], None)
    finally:
        await client.postgrest.aclose()
    if not isinstance(facts, dict):
        return Answer([_refused("")], None)
    clock = clocks.judge("The database's", clocks.ahead_by_time(facts["clock"], watch.middle))
    return Answer([clock], facts)


def _refused(code: str) -> Finding:
    if code == NO_SUCH_FUNCTION:
        words = "The database does not know our functions: the migrations are not applied, or not all of them."
        return Finding("problem", "database", words, PUSH)
    if code == "42501":
        words = "The secret key may not ask the database about its installation."
        return Finding("problem", "database", words, "Grant what supabase/migrations grants to service_role again.")
    return Finding("problem", "database", f"The database gave no answer (code {code or 'unknown'}).", "Is it up?")
