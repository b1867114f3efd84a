"""How long one claim takes while 100,000 replies wait: all in one session, and spread over 10,000.

python -m tests.bench.claim_replies
"""

import statistics
import tempfile
import time
from pathlib import Path

import psycopg

from tests.holder import Holder
from worker.local.postgres import SUPERUSER
from worker.local.settings import Ports
from worker.local.stack import Stack

REPLIES = 100_000
CLAIMS = 20
EACH = 50

# Triggers off: the flood guard would refuse what is measured here.
FILL = """
set session_replication_role = replica;
truncate auth.users, public.external_api_call_logs cascade;
insert into auth.users (id) values (gen_random_uuid());
insert into public.posts (user_id, platform, url)
  select u.id, 'instagram', 'https://example.test/' || n from auth.users u, generate_series(1, {sessions}) n;
insert into public.post_analyses (user_id, post_id) select user_id, id from public.posts;
insert into public.chat_sessions (user_id, post_analysis_id, last_turn)
  select user_id, id, {turns} from public.post_analyses;
insert into public.chat_messages (session_id, user_id, content, turn)
  select s.id, s.user_id, 'Why did it work?', t from public.chat_sessions s, generate_series(1, {turns}) t;
insert into public.chat_replies (message_id, session_id, user_id)
  select id, session_id, user_id from public.chat_messages;
insert into private.reply_queue (session_id, message_id)
  select session_id, id from public.chat_messages where turn = 1;
analyze;
"""


def fill(database_url: str, sessions: int) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(FILL.format(sessions=sessions, turns=REPLIES // sessions).encode())


def measure(database_url: str) -> list[float]:
    """Milliseconds of each claim; what was claimed is answered in between, so that the next is due."""
    taken = []
    with Holder(database_url) as worker:
        for _ in range(CLAIMS):
            start = time.perf_counter()
            replies = worker.claim(most=EACH)
            taken.append((time.perf_counter() - start) * 1000)
            assert replies
            for claimed in replies:
                worker.complete(claimed)
    return taken


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        Stack(Path(directory), ports=Ports.free(), worker=False, web=False, model=False, durable=False) as stack,
    ):
        for sessions in (1, 10_000):
            fill(stack.postgres.url(SUPERUSER), sessions)
            taken = measure(stack.environment["DATABASE_URL"])
            print(
                f"{REPLIES:,} pending in {sessions:,} sessions, {CLAIMS} claims of up to {EACH}: "
                f"median {statistics.median(taken):.1f} ms, max {max(taken):.1f} ms"
            )


if __name__ == "__main__":
    main()
