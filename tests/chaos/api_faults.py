"""The API between the workers and the database answers what it should not, or not at all."""

import asyncio
import contextlib
import time

import httpx

from tests.chaos.scene import Scene

REFUSED_SHARE = 0.7
QUESTIONS = 5
LOST_CLAIMS = 3
LOSE_SECONDS = 20.0
REQUESTS = 60
POOL_SECONDS = 5.0
ANSWER_SECONDS = 20.0
# Holds a connection of the API's pool, and nothing of the machine.
SLOW_VIEW = """
create view public.slow_for_chaos as select 1 as done from pg_sleep(1);
grant select on public.slow_for_chaos to authenticated;
notify pgrst, 'reload schema';
"""


def install_slow_view(scene: Scene) -> None:
    with scene.connect(as_superuser=True) as connection:
        connection.execute(SLOW_VIEW)


def refuse_calls(scene: Scene) -> None:
    """Most calls of the workers are answered 401, 429, 500, 503 or 504, half of them after the function ran."""
    # Answers that are to be stored meet every kind of it: they are offered again and again.
    questions = [scene.ask(seconds=1) for _ in range(QUESTIONS)]
    scene.wait(lambda: any(map(scene.is_being_asked, questions)), ANSWER_SECONDS)
    scene.gateway.refuse(REFUSED_SHARE)
    scene.rest(scene.random.uniform(4, 7))
    scene.gateway.refuse(0)


def lose_claims(scene: Scene) -> None:
    """What some claims have brought never reaches their workers: it goes back, and costs the questions nothing."""
    before = scene.gateway.lost
    scene.gateway.lose_claims(LOST_CLAIMS)
    question = scene.ask()
    scene.wait(lambda: scene.gateway.lost == before + LOST_CLAIMS, LOSE_SECONDS)
    scene.gateway.lose_claims(0)
    scene.expect(lambda: scene.is_over(question), ANSWER_SECONDS, f"{question}: not answered after lost claims")


def exhaust_pool(scene: Scene) -> None:
    """One account makes sixty slow requests at a time, for some seconds: no connection is free for the workers."""
    user = scene.open_chat().user
    environment = scene.stack.environment
    headers = {"apikey": environment["SUPABASE_PUBLISHABLE_KEY"], "authorization": f"Bearer {user.token}"}
    read = asyncio.run(_read_slowly(f"{environment['SUPABASE_URL']}/rest/v1/slow_for_chaos", headers))
    if not read:
        scene.findings.append("No slow request was answered: the pool was not exhausted")
    scene.wait(lambda: _answers_at_once(scene), ANSWER_SECONDS)


async def _read_slowly(url: str, headers: dict[str, str]) -> int:
    """How many were answered."""
    until = time.monotonic() + POOL_SECONDS
    limits = httpx.Limits(max_connections=REQUESTS)
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=ANSWER_SECONDS) as client:

        async def read_again_and_again() -> int:
            read = 0
            while time.monotonic() < until:
                with contextlib.suppress(httpx.HTTPError):
                    read += (await client.get(url)).is_success
            return read

        return sum(await asyncio.gather(*(read_again_and_again() for _ in range(REQUESTS))))


def _answers_at_once(scene: Scene) -> bool:
    try:
        return httpx.get(f"{scene.stack.environment['SUPABASE_URL']}/health", timeout=1).is_success
    except httpx.HTTPError:
        return False
