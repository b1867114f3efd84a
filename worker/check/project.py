"""Whether a Supabase project answers at SUPABASE_URL, and whether it accepts the keys."""

from dataclasses import dataclass

import httpx

from worker.check import clocks
from worker.check.findings import Finding
from worker.network import api_http

SECONDS = 10.0
PAUSED = 540
# Answered by the gateway and Auth: one request shows that the project is up, is Supabase, and knows the key.
HEALTH = "/auth/v1/health"


@dataclass(frozen=True)
class Answer:
    findings: list[Finding]
    accepted: bool
    """Whether the project accepted the keys."""


async def reach(url: str, secret: str, publishable: str | None) -> Answer:
    try:
        async with (
            httpx.AsyncClient(base_url=url.rstrip("/"), **api_http.options(SECONDS)) as client,
            api_http.whole(SECONDS),
        ):
            watch = clocks.Stopwatch()
            answer = await client.get(HEALTH, headers={"apikey": secret})
            clock = clocks.judge("The API's", clocks.ahead_by_date(answer.headers.get("date"), watch.middle))
            found = [_judge(answer, "SUPABASE_SECRET_KEY", url)]
            if found[0].level == "problem":
                return Answer(found, accepted=False)
            if publishable:
                answer = await client.get(HEALTH, headers={"apikey": publishable})
                second = _judge(answer, "SUPABASE_PUBLISHABLE_KEY", url)
                found += [second] if second.level == "problem" else []
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        words = f"Nothing answers at SUPABASE_URL, {url} ({type(error).__name__})."
        remedy = "Is it spelt as in the project's settings, and does this machine reach it?"
        return Answer([Finding("problem", "project", words, remedy)], accepted=False)
    return Answer([*found, clock], accepted=True)


def _judge(answer: httpx.Response, setting: str, url: str) -> Finding:
    if answer.status_code == PAUSED:
        return Finding("problem", "project", "The project is paused.", "Restore it in the dashboard.")
    body = _json_object(answer)
    if answer.is_success and "version" in body:
        return Finding("ok", "project", f"A Supabase project answers at {url}.")
    if answer.status_code in (401, 403) and "key" in str(body.get("message", "")).lower():
        words = f"The project refuses {setting}: it is not a key of this project, or it was revoked."
        return Finding("problem", "keys", words, "Take URL and keys from one project.")
    words = f"What answers at SUPABASE_URL, {url}, is no Supabase project (status {answer.status_code})."
    return Finding("problem", "project", words, "It must look like https://<ref>.supabase.co.")


def _json_object(answer: httpx.Response) -> dict[str, object]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
