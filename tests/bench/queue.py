"""What the queue costs while 100,000 questions of 10,000 users wait in it.

python -m tests.bench.queue [--against COMMIT]

Times are of the database alone, on one connection: no API, no Realtime, and no waiting for the disk. With
--against, the same is measured with the migrations of an earlier commit, as far as it had the same calls. Beside
the claim stands the least that it can cost: its rows written in one statement without a trigger, its contexts read,
its events sent.
"""

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
from functools import partial
from pathlib import Path

import psycopg
from psycopg.types.json import Jsonb

from tests.bench.fresh_database import database
from tests.bench.queue_workers import EACH, PUT_OFF, Reply, Worker, WorkerBefore
from tests.bench.timing import Figures, Taken, times
from worker.local.stack import ROOT
from worker.local.supabase.passwords import SUPERUSER
from worker.local.supabase.postgres import Postgres

USERS = 10_000
CHATS_OF_A_USER = 10  # each with one question
TIMES = 20
MANY = 50  # times, where one costs little
CAME_AND_WENT = 3_000
PIECE = 500  # bytes
PIECES = 40
DRAFTS = 20

EMPTY = "truncate auth.users, public.external_api_call_logs cascade"
# Triggers off: the flood guard would refuse what is measured here.
FILL = """
set session_replication_role = replica;
insert into auth.users (id) select gen_random_uuid() from generate_series(1, {users});
insert into public.posts (user_id, platform, url)
  select u.id, 'instagram', 'https://example.test/' || n from auth.users u, generate_series(1, {chats}) n
  where not exists (select from public.posts p where p.user_id = u.id);
insert into public.post_analyses (user_id, post_id)
  select p.user_id, p.id from public.posts p
  where not exists (select from public.post_analyses a where a.post_id = p.id);
insert into public.chat_sessions (user_id, post_analysis_id, last_turn)
  select a.user_id, a.id, 1 from public.post_analyses a
  where not exists (select from public.chat_sessions s where s.post_analysis_id = a.id);
insert into public.chat_messages (session_id, user_id, content, turn)
  select s.id, s.user_id, 'Why did it work?', 1 from public.chat_sessions s
  where not exists (select from public.chat_messages m where m.session_id = s.id);
insert into public.chat_replies (message_id, session_id, user_id)
  select m.id, m.session_id, m.user_id from public.chat_messages m
  where not exists (select from public.chat_replies r where r.message_id = m.id) and m.role = 'user';
{queue};
set session_replication_role = origin;
"""


# What a claim of so many cannot do without, each alone.
ITS_EVENTS = f"""do $$ begin for n in 1..{EACH} loop
    perform realtime.send('{{"record": {{}}}}', 'reply', 'chat:bench', true); end loop; end $$"""
ITS_CONTEXTS = f"""select private.reply_context(q.message_id)
    from (select message_id from private.reply_queue limit {EACH}) as q"""
ITS_CHOICE = f"""select q.* from private.reply_queue q where q.worker_id is null and q.due_at <= now()
    order by q.place, q.due_at limit {EACH} for update skip locked"""
ITS_ROWS = f"""with due as (
      select session_id from private.reply_queue where worker_id is null and due_at <= now()
      order by place, due_at limit {EACH} for update skip locked),
    taken as (
      update private.reply_queue q set worker_id = gen_random_uuid(), claim = 1, claimed_at = now()
      from due where due.session_id = q.session_id returning q.message_id),
    begun as (
      update public.chat_replies r set status = 'answering', attempt = attempt + 1
      from taken where taken.message_id = r.message_id returning r.*)
    insert into public.external_api_call_logs (message_id, attempt, session_id, user_id, worker_id)
    select message_id, attempt, session_id, user_id, gen_random_uuid() from begun"""


class Bench:
    def __init__(self, postgres: Postgres, kind: type[Worker]) -> None:
        self.url = postgres.url("postgres")
        self.kind = kind
        self.superuser = psycopg.connect(postgres.url(SUPERUSER), autocommit=True)

    def fill(self, users: int, chats: int) -> None:
        self.superuser.execute(FILL.format(users=users, chats=chats, queue=self.kind.queue).encode())

    def settle_down(self) -> None:
        self.superuser.execute("vacuum analyze")

    def measure(self) -> Figures:
        self.fill(USERS, CHATS_OF_A_USER)
        self.settle_down()
        figures = self.claims(f"claim of {EACH}")
        if self.kind is Worker:
            figures |= self.part("choice", ITS_CHOICE) | self.least()
        figures |= self.second_worker()
        self.superuser.execute(self.kind.put_off.encode())
        self.settle_down()
        figures |= self.claims(f"claim of {EACH}, {PUT_OFF:,} put off before them")
        if self.kind is Worker:
            figures |= self.part(f"choice, {PUT_OFF:,} put off", ITS_CHOICE)
        figures |= self.beats()
        if self.kind is Worker:
            figures |= self.drafts()
        return figures | self.empty()

    def claims(self, name: str) -> Figures:
        worker = self.kind(self.url)
        return {name: times(lambda: self.claim(worker), TIMES)}

    def least(self) -> Figures:
        figures: Figures = {}
        for name, statement in (("contexts", ITS_CONTEXTS), ("events", ITS_EVENTS), ("rows", ITS_ROWS)):
            if name == "rows":
                self.superuser.execute("set session_replication_role = replica")
            figures |= self.part(name, statement)
        self.superuser.execute("set session_replication_role = origin")
        return figures

    def part(self, name: str, statement: str) -> Figures:
        """What a claim cannot do without, alone."""
        return {
            f"  of these, at least: its {name}": times(partial(self.superuser.execute, statement.encode()), TIMES)
        }

    def second_worker(self) -> Figures:
        first, second = self.kind(self.url, autocommit=False), self.kind(self.url)
        first.connection.commit()
        assert len(first.claim()) == EACH
        waiting = times(lambda: self.claim(second), 1)
        first.connection.rollback()
        return {f"the second worker's claim of {EACH}, while the first's is open": waiting}

    @staticmethod
    def claim(worker: Worker) -> None:
        assert len(worker.claim()) == EACH

    def beats(self) -> Figures:
        return {f"beat, holding {number:,}": self.beat(number) for number in (0, 50, 400)}

    def beat(self, number: int) -> Taken:
        worker, held = self.kind(self.url), list[Reply]()
        while len(held) < number:
            held += worker.claim(min(EACH, number - len(held)))
        beat = worker.beat(held)
        beat()  # the first one names the models
        return times(beat, MANY)

    def drafts(self) -> Figures:
        worker = self.kind(self.url)
        text = ("the hook is a question and it holds back the answer " * 10)[:PIECE]
        before = self.log_position()
        for reply in worker.claim(DRAFTS):
            piece = {name: reply[name] for name in ("message_id", "attempt", "version")} | {"content": text}
            for number in range(PIECES):
                pieces = Jsonb([{**piece, "starts_at": number * PIECE}])
                worker.call("select public.save_drafts(%s, %s)", worker.id, pieces)
            worker.complete(reply)
        written = self.log_position() - before
        before = self.log_position()
        for reply in worker.claim(DRAFTS):
            worker.complete(reply)
        written -= self.log_position() - before  # what answering writes without any draft
        of_a_byte = written / DRAFTS / PIECES / PIECE
        return {f"log written for a byte of draft, in pieces of {PIECE}": Taken([of_a_byte], "bytes")}

    def log_position(self) -> int:
        row = self.superuser.execute("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
        return int(row[0]) if row else 0

    def empty(self) -> Figures:
        self.superuser.execute(EMPTY)
        worker = self.kind(self.url)
        figures = {"claim of an empty queue": times(worker.claim, MANY)}
        with psycopg.connect(self.url) as watching:
            watching.execute("set transaction isolation level repeatable read")
            watching.execute("select 1")
            for _ in range(CAME_AND_WENT // 100):
                self.fill(1, 100)
                while replies := worker.claim():
                    for reply in replies:
                        worker.complete(reply)
            name = f"claim of an empty queue, {CAME_AND_WENT:,} came and went under an open snapshot"
            figures[name] = times(worker.claim, MANY)
        return figures


def measure(workdir: Path, kind: type[Worker]) -> Figures:
    print(f"measuring {workdir} …", file=sys.stderr)
    with database(workdir) as postgres:
        return Bench(postgres, kind).measure()


def measure_commit(commit: str) -> Figures:
    archive = subprocess.run(
        ["git", "archive", commit, "supabase"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with tempfile.TemporaryDirectory() as directory:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(directory, filter="data")
        return measure(Path(directory), WorkerBefore)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--against", metavar="COMMIT", help="one whose replies had a lease each, such as 05ad460")
    commit = options.parse_args().against
    now = measure(ROOT, Worker)
    before = measure_commit(commit) if commit else {}
    print(f"{USERS * CHATS_OF_A_USER:,} pending of {USERS:,} users: medians (shortest to longest)")
    for name, taken in now.items():
        earlier = before.get(name)
        compared = f"  {earlier!s:<34}  {earlier.median / taken.median:.2f} times this" if earlier else ""
        print(f"{name:<70}  {taken!s:<34}{compared}")


if __name__ == "__main__":
    main()
