"""Workers that claim on one connection: the reply functions of this tree, and those of an earlier one."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from tests.support.holder import CALL

EACH = 20  # replies that are claimed at once
PUT_OFF = 10_000

Reply = dict[str, Any]


class Worker:
    """The reply functions of this tree, each a call of its own, as `service_role`."""

    queue = """insert into private.reply_queue (session_id, user_id, message_id, place)
        select session_id, user_id, message_id, row_number() over (partition by user_id order by session_id)
        from public.chat_replies where status = 'pending'"""
    put_off = f"""update private.reply_queue set due_at = now() + interval '1 hour' where session_id in (
        select session_id from private.reply_queue where worker_id is null order by place limit {PUT_OFF})"""

    def __init__(self, url: str, autocommit: bool = True) -> None:
        self.id = uuid4()
        self.claims = 0
        self.connection = psycopg.connect(url, autocommit=autocommit)
        self.call("set role service_role")
        self.register()

    def register(self) -> None:
        self.call("select public.register_worker(%s, 3600, 'bench', 50)", self.id)

    def claim(self, most: int = EACH) -> list[Reply]:
        self.claims += 1
        answer = self.call("select public.claim_replies(%s, %s, %s)", self.id, self.claims, most)
        found: list[Reply] = answer["replies"]
        return found

    def beat(self, held: list[Reply]) -> Callable[[], object]:
        """A beat that is ready to be sent: writing its arguments is not the database's work."""
        messages = "{" + ",".join(reply["message_id"] for reply in held) + "}"
        attempts = "{" + ",".join(str(reply["attempt"]) for reply in held) + "}"
        statement = "select public.beat(%s, 3600, 0, null, %s::uuid[], %s::integer[], '[]')"
        return lambda: self.call(statement, self.id, messages, attempts)

    def complete(self, reply: Reply) -> None:
        self.call(
            "select public.complete_reply(%s, %s, %s, 'Because.', 'stop', %s)",
            reply["message_id"],
            self.id,
            reply["attempt"],
            Jsonb(CALL),
        )

    def call(self, statement: str, *arguments: object) -> Any:
        cursor = self.connection.execute(statement.encode(), arguments)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


class WorkerBefore(Worker):
    """As it was when each reply had a lease of its own."""

    queue = """insert into private.reply_queue (session_id, message_id)
        select session_id, message_id from public.chat_replies where status = 'pending'"""
    put_off = f"""update private.reply_queue set due_at = now() + interval '1 hour' where session_id in (
        select session_id from private.reply_queue order by due_at limit {PUT_OFF})"""

    def register(self) -> None:
        pass

    def claim(self, most: int = EACH) -> list[Reply]:
        found: list[Reply] = self.call("select public.claim_replies(%s, %s, 3600)", self.id, most)["replies"]
        return found

    def beat(self, held: list[Reply]) -> Callable[[], object]:
        named = json.dumps(
            [{"message_id": r["message_id"], "attempt": r["attempt"], "model": "gemini"} for r in held]
        )
        return lambda: self.call("select public.renew_leases(%s, %s::jsonb, 3600)", self.id, named)
