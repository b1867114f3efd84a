"""Each index serves a query that somebody asks, as its comment says; and there is no other."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.database import Connection, one_row

TABLES = [
    "public.posts", "public.post_analyses", "public.chat_sessions", "public.chat_messages", "public.chat_replies",
    "private.draft_pieces", "private.reply_queue", "private.served_places", "private.used_ids", "private.erasures",
    "private.workers", "private.reconciler", "public.external_api_call_logs", "private.uncounted_calls",
    "private.uncounted_replies", "private.call_counts", "private.reply_counts", "private.user_day_counts",
    "private.usage_asked", "private.usage_spent", "public.plans", "public.chat_settings", "public.user_plans",
]  # fmt: skip

# As functions, views, pages and foreign keys ask. {id}: of some row of the table that is named there.
SERVES = {
    "posts_user_id_idx": "delete from public.posts where user_id = {posts.user_id}",
    "post_analyses_user_id_idx": "select * from public.post_analyses where user_id = {posts.user_id}",
    "post_analyses_post_id_user_id_idx": (
        "delete from public.post_analyses where post_id = {posts.id} and user_id = {posts.user_id}"
    ),
    "one_chat_session_per_analysis": (
        "select * from public.chat_sessions where post_analysis_id = {chat_sessions.post_analysis_id}"
    ),
    "chat_sessions_user_id_idx": (
        "select * from public.chat_sessions where user_id = {posts.user_id} order by updated_at desc, id limit 20"
    ),
    "chat_sessions_updated_at_idx": "select * from analytics.recent_sessions",
    "one_message_per_turn": (
        "select * from public.current_chat_messages"
        " where session_id = {chat_sessions.id} and role = 'user' and turn < 15 order by turn desc limit 5"
    ),
    "one_replacement_per_question": (
        "select * from public.current_chat_messages where session_id = {chat_sessions.id} order by turn limit 20"
    ),
    "one_answer_per_version": "select max(version) from public.chat_messages where reply_to = {chat_messages.id}",
    "chat_messages_user_id_idx": "select * from public.chat_messages where user_id = {posts.user_id}",
    "unfinished_replies_of_session": (
        "select count(*) from public.chat_replies"
        " where session_id = {chat_sessions.id} and status in ('pending', 'answering')"
    ),
    "unfinished_replies_of_user": (
        "select count(*) from public.chat_replies"
        " where user_id = {posts.user_id} and status in ('pending', 'answering')"
    ),
    "chat_replies_session_id_idx": "delete from public.chat_replies where session_id = {chat_sessions.id}",
    "chat_replies_user_id_idx": "select * from public.chat_replies where user_id = {posts.user_id}",
    "reply_queue_place_idx": (
        "select * from private.reply_queue where worker_id is null and due_at <= now()"
        " order by place, due_at limit 20 for update skip locked"
    ),
    "reply_queue_due_at_idx": (
        "select due_at from private.reply_queue where worker_id is null and due_at > now() order by due_at limit 1"
    ),
    "reply_queue_worker_id_idx": "select * from private.reply_queue where worker_id = {workers.id}",
    "reply_queue_user_id_idx": "select max(place) from private.reply_queue where user_id = {posts.user_id}",
    "reply_queue_message_id_key": "delete from private.reply_queue where message_id = {chat_messages.id}",
    "served_places_place_idx": "select max(place) from private.served_places",
    "external_api_call_logs_started_at_idx": "select * from analytics.calls",
    "uncounted_calls_user_id_idx": (
        "select sum(tokens_debited) from private.uncounted_calls"
        " where user_id = {posts.user_id} and asked_on = current_date"
    ),
    "user_plans_plan_idx": "delete from public.user_plans where plan = 'free'",
    "chat_settings_default_plan_idx": "select * from public.chat_settings where default_plan = 'free'",
    "erasures_noted_at_idx": "select * from private.erasures order by noted_at limit 500 for update skip locked",
}

# 200 users with 5 chats each of 20 turns; one turn in twenty was replaced, one chat in ten waits.
ROWS = """
alter table public.chat_sessions disable trigger user;
alter table public.chat_messages disable trigger user;
alter table public.chat_replies disable trigger user;
alter table private.reply_queue disable trigger user;
create temporary table made on commit drop as
  select gen_random_uuid() as id, gen_random_uuid() as post, gen_random_uuid() as analysis, u.id as owner
  from (select gen_random_uuid() as id from generate_series(1, 200)) as u, generate_series(1, 5);
insert into auth.users (id, email) select distinct owner, owner || '@example.test' from made;
insert into public.posts (id, user_id, platform, url) select post, owner, 'x', 'https://example.test' from made;
insert into public.post_analyses (id, user_id, post_id) select analysis, owner, post from made;
insert into public.chat_sessions (id, user_id, post_analysis_id, last_turn) select id, owner, analysis, 20 from made;
create temporary table asked on commit drop as
  select gen_random_uuid() as id, made.id as session, made.owner, turn from made, generate_series(1, 20) as turn;
insert into public.chat_messages (id, session_id, user_id, role, content, turn)
  select id, session, owner, 'user', 'Why?', turn from asked;
insert into public.chat_messages (session_id, user_id, role, content, turn, reply_to, version)
  select session, owner, 'assistant', 'Because.', turn, id, 1 from asked;
update public.chat_messages m set replaces = before.id
  from asked before where m.role = 'user' and m.turn = 20 and before.session = m.session_id and before.turn = 19;
insert into public.chat_replies (message_id, session_id, user_id, status)
  select id, session, owner, case when turn = 20 and random() < 0.1 then 'pending' else 'completed' end from asked;
insert into private.workers (id, alive_until, alive_seconds, version, concurrency)
  select gen_random_uuid(), now(), 15, '1', 50 from generate_series(1, 5);
insert into private.reply_queue (session_id, user_id, message_id, place, due_at, worker_id, claim, claimed_at)
  select r.session_id, r.user_id, r.message_id, row_number() over (), now() + make_interval(secs => random() * 9 - 8),
    w.id, case when w.id is not null then 1 end, case when w.id is not null then now() end
  from public.chat_replies r
  left join lateral (select id from private.workers where random() < 0.03 and r.user_id is not null limit 1) w on true
  where r.status = 'pending' and r.session_id in (select id from made);
insert into private.served_places (user_id, place)
  select owner, row_number() over () from (select distinct owner from made) as users;
insert into private.erasures (id, session_id, noted_at)
  select id, session, now() - make_interval(secs => random() * 100) from asked limit 2000;
"""


@pytest.fixture
def crowded(database: Connection) -> Iterator[Connection]:
    """A project with rows enough for an index to be worth it; gone with the test."""
    with database.transaction(force_rollback=True):
        database.execute(ROWS)
        database.execute(f"analyze {', '.join(TABLES)}")
        database.execute("set local enable_seqscan = off")
        yield database


def filled(query: str, database: Connection) -> str:
    """With ids of rows that are there."""
    while "{" in query:
        name = query[query.index("{") + 1 : query.index("}")]
        table, column = name.split(".")
        schema = "private" if table == "workers" else "public"
        row = one_row(database.execute(f"select {column} as value from {schema}.{table} limit 1"))
        query = query.replace("{" + name + "}", f"'{row['value']}'")
    return query


def indexes_in(plan: dict[str, Any]) -> set[str]:
    own = {plan["Index Name"]} if "Index Name" in plan else set()
    return own.union(*(indexes_in(part) for part in plan.get("Plans", [])))


def test_each_index_is_used_by_its_query(crowded: Connection) -> None:
    unused = {}
    for index, query in SERVES.items():
        row = one_row(crowded.execute(f"explain (format json) {filled(query, crowded)}"))
        used = indexes_in(row["QUERY PLAN"][0]["Plan"])
        if index not in used:
            unused[index] = json.dumps(sorted(used))
    assert unused == {}


def test_there_is_no_index_without_a_query(database: Connection) -> None:
    """Primary keys, and what a foreign key refers to, are there for what they forbid."""
    rows = database.execute(
        """select c.relname as name, obj_description(c.oid) as comment,
            exists (select from pg_constraint k where k.contype = 'f' and k.conindid = c.oid) as is_referred_to
        from pg_index i join pg_class c on c.oid = i.indexrelid
        where not i.indisprimary and i.indrelid = any (%s::regclass[]::oid[])""",
        [TABLES],
    ).fetchall()
    found = {row["name"]: row for row in rows}

    assert {name for name, row in found.items() if not row["is_referred_to"]} == set(SERVES)
    assert [name for name, row in found.items() if not row["comment"]] == []


def test_none_begins_as_another_that_would_do(database: Connection) -> None:
    """One whose columns are the first columns of another, over the same rows, is that other one once more."""
    rows = database.execute(
        """select a.indexrelid::regclass::text as shorter, b.indexrelid::regclass::text as longer
        from pg_index a join pg_index b on a.indrelid = b.indrelid and a.indexrelid <> b.indexrelid
        where a.indrelid = any (%s::regclass[]::oid[]) and not a.indisunique
          and coalesce(a.indpred::text, '') = coalesce(b.indpred::text, '')
          and (b.indkey::int2[])[0:a.indnkeyatts - 1] = a.indkey::int2[]""",
        [TABLES],
    ).fetchall()
    assert rows == []
