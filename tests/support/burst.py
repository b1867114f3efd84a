"""Many questions at once, and what a limited model makes of them: who asks, and what is to be seen afterwards."""

import bisect
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

Database = psycopg.Connection[dict[str, Any]]
Row = dict[str, Any]

TRANSIT_SECONDS = 1.0

# Each question in a chat of its own; the user's number, and the number of the question, are in its text.
ASK = """
with users as (
  insert into auth.users (id, email, aud, role)
  select gen_random_uuid(), gen_random_uuid() || '@burst.test', 'authenticated', 'authenticated'
  from generate_series(1, %(users)s)
  returning id
), numbered as (
  select id, row_number() over () as number from users
), questions as (
  select n.id as user_id, n.number, q.q
  from numbered n
  cross join lateral generate_series(1, case n.number when 1 then %(most)s else %(each)s end) as q (q)
), posts as (
  insert into public.posts (user_id, platform, url)
  select user_id, 'instagram', 'https://example.test/' || number || '/' || q from questions
  returning id, user_id, url
), analyses as (
  insert into public.post_analyses (user_id, post_id, analysis)
  select user_id, id, '{}' from posts
  returning id, user_id, post_id
)
insert into public.chat_sessions (user_id, post_analysis_id) select user_id, id from analyses
returning id, user_id
"""


@dataclass(frozen=True)
class Burst:
    """`questions`: one row each, by user."""

    questions: list[Row]

    @classmethod
    def ask(cls, database: Database, marker: str, users: int = 60, each: int = 4, most: int = 60) -> "Burst":
        """So many users with so many questions each, and one of them with many more, all in one statement."""
        database.execute("delete from auth.users where email like '%%@burst.test'")
        with database.transaction():
            chats = database.execute(ASK, {"users": users, "each": each, "most": most}).fetchall()
        rows = database.execute(
            """insert into public.chat_messages (session_id, content)
            select session_id, 'How many likes did it get? ' || %s
            from unnest(%s::uuid[]) as chat (session_id)
            returning id, user_id""",
            [marker, [chat["id"] for chat in chats]],
        ).fetchall()
        return cls(rows)

    @property
    def ids(self) -> list[Any]:
        return [row["id"] for row in self.questions]

    def replies(self, database: Database) -> list[Row]:
        return database.execute(
            "select user_id, status, error_code, finished_at from public.chat_replies where message_id = any (%s)",
            [self.ids],
        ).fetchall()

    def ledger(self, database: Database) -> list[Row]:
        return database.execute(
            "select message_id, outcome, started_at from public.external_api_call_logs where message_id = any (%s)",
            [self.ids],
        ).fetchall()


def answered_in_turn(replies: list[Row]) -> dict[Any, list[datetime]]:
    """User → when their questions were answered, first to last."""
    found: dict[Any, list[datetime]] = {}
    for row in replies:
        times = found.setdefault(row["user_id"], [])
        if row["status"] == "completed":
            bisect.insort(times, row["finished_at"])
    return found


def ahead_of_the_limit(calls: int, seconds: float, times: list[float]) -> float:
    """How far these calls ran ahead of so many in each so many seconds; 1.0: just as many.

    Counted from the first one, so that calls which were sent in time and arrive late, on a busy machine, do not count
    as a crowd. The first one may be late itself, since it opens a connection.
    """
    times = sorted(times)
    begun = times[0] - TRANSIT_SECONDS
    return max(number / (calls * (int((at - begun) / seconds) + 1)) for number, at in enumerate(times, start=1))


def most_in_any(seconds: float, times: list[float]) -> int:
    """The most of these moments that lie within so many seconds."""
    times = sorted(times)
    return max((bisect.bisect_left(times, begin + seconds) - n for n, begin in enumerate(times)), default=0)
