"""How long the operator's figures take at 10,000 and at 1,000,000 messages of the same month, models and users.

python -m tests.bench.figures [--messages 10000 1000000]

Times are of the database alone, on one connection. The messages are spread over the last 30 days, in chats of
twenty; one call in thirty fails and is tried again. What is a sum should take as long for either: the last column is
the ratio of the medians. Both databases are asked in turns.
"""

import argparse
import sys
from contextlib import ExitStack
from functools import partial
from typing import Any

import psycopg

from tests.bench.fresh_database import database
from tests.bench.timing import Taken, times
from worker.local.stack import ROOT
from worker.local.supabase.passwords import SUPERUSER

USERS = 15  # each of whom asks on every day
MESSAGES_OF_A_CHAT = 20
TIMES = 41

# Triggers off, but for those that count: the flood guard would refuse what is measured here.
FILL = """
set session_replication_role = replica;
alter table public.chat_replies enable always trigger count_opened_reply, enable always trigger count_reply;
alter table public.external_api_call_logs enable always trigger count_call;
insert into auth.users (id) select gen_random_uuid() from generate_series(1, {users});
create temporary table chats as
  select gen_random_uuid() as session_id, gen_random_uuid() as analysis_id, u.id as user_id,
    now() - (n * 30.0 / {chats}) * interval '1 day' as starts_at
  from generate_series(1, {chats}) as n
  join (select id, row_number() over () as number from auth.users) as u on u.number = 1 + n % {users};
insert into public.chat_sessions (id, user_id, post_analysis_id, last_turn, created_at, updated_at)
  select session_id, user_id, analysis_id, {turns}, starts_at, starts_at + {turns} * interval '2 minutes' from chats;
create temporary table questions as
  select gen_random_uuid() as id, c.session_id, c.user_id, turn, c.starts_at + turn * interval '2 minutes' as asked_at
  from chats c, generate_series(1, {turns}) as turn;
insert into public.chat_messages (id, session_id, user_id, role, content, turn, created_at)
  select id, session_id, user_id, 'user', 'Why did it work?', turn, asked_at from questions;
insert into public.chat_messages (session_id, user_id, role, content, turn, reply_to, version, created_at)
  select session_id, user_id, 'assistant', 'The hook is a question.', turn, id, 1, asked_at + interval '5 seconds'
  from questions;
insert into public.chat_replies (message_id, session_id, user_id, attempt, created_at, pending_since)
  select id, session_id, user_id, 1, asked_at, asked_at from questions;
update public.chat_replies r
  set status = case when f.fails then 'failed' else 'completed' end,
    error_code = case when f.fails then 'timed_out' end, finished_at = r.created_at
  from (select message_id, random() < 0.02 as fails from public.chat_replies offset 0) as f
  where f.message_id = r.message_id;
insert into public.external_api_call_logs (message_id, attempt, session_id, user_id, worker_id, model_requested,
    model_version, prompt_tokens, candidate_tokens, cost_usd, first_token_ms, latency_ms, outcome, started_at,
    finished_at, retry)
  select id, attempt, session_id, user_id, session_id, model, model, 1500, 300, 0.001,
    300 + (random() * 900)::integer, 2000 + (random() * 9000)::integer,
    case when attempt < attempts then 'model_overloaded' else 'ok' end, asked_at, asked_at + interval '5 seconds',
    attempt - 1
  from (
    select q.*, case when random() < 0.9 then 'first' else 'second' end as model,
      1 + (random() < 0.03)::integer as attempts
    from questions q
  ) as asked, generate_series(1, attempts) as attempt;
drop table chats, questions;
set session_replication_role = origin;
"""
VIEWS = """select 'analytics.' || relname from pg_class
    where relnamespace = 'analytics'::regnamespace and relkind = 'v' order by 1"""
UNCOUNTED = """select count(*) from (
    select from private.uncounted_calls union all select from private.uncounted_replies) as left_over"""

Connection = psycopg.Connection[Any]


def fill(connection: Connection, messages: int) -> None:
    chats = messages // MESSAGES_OF_A_CHAT
    connection.execute(FILL.format(users=USERS, chats=chats, turns=MESSAGES_OF_A_CHAT // 2).encode())
    while connection.execute(UNCOUNTED).fetchone() != (0,):
        connection.execute("select private.count_up()")
    connection.execute("vacuum analyze")


def filled(messages: int, until: ExitStack) -> Connection:
    """A connection to a database of so many messages, which is there until the end of `until`."""
    print(f"writing {messages:,} messages …", file=sys.stderr)
    postgres = until.enter_context(database(ROOT))
    connection = until.enter_context(psycopg.connect(postgres.url(SUPERUSER), autocommit=True))
    fill(connection, messages)
    return connection


def measure(query: str, connections: list[Connection]) -> list[Taken]:
    """Milliseconds that the query takes in each database: one after the other each time, since the machine's own
    pace changes within minutes.
    """
    taken = [[times(partial(read, connection, query), 1).median for connection in connections] for _ in range(TIMES)]
    return [Taken(list(each)) for each in zip(*taken, strict=True)]


def read(connection: Connection, query: str) -> None:
    connection.execute(query.encode()).fetchall()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--messages", nargs="+", type=int, default=[10_000, 1_000_000], metavar="NUMBER")
    sizes = options.parse_args().messages
    with ExitStack() as until:
        connections = [filled(size, until) for size in sizes]
        print(f"{'medians (shortest to longest)':<34}  " + "  ".join(f"{f'{size:,} messages':<32}" for size in sizes))
        for name, query in queries(connections[0]).items():
            columns = measure(query, connections)
            ratio = columns[-1].median / columns[0].median
            print(f"{name:<34}  " + "  ".join(f"{taken!s:<32}" for taken in columns) + f"  {ratio:.2f} times")


def queries(connection: Connection) -> dict[str, str]:
    asked = {"ops_report()": "select public.ops_report()", "ops_queue()": "select public.ops_queue()"}
    return asked | {str(name): f"select * from {name}" for (name,) in connection.execute(VIEWS).fetchall()}


if __name__ == "__main__":
    main()
