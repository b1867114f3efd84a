"""A worker as the database knows it: an id, and the reply functions called by name."""

from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

Reply = dict[str, Any]

CALL = {
    "model_requested": "gemini-test",
    "model_version": "gemini-test-001",
    "prompt_tokens": 100,
    "candidate_tokens": 20,
    "thought_tokens": 5,
    "cost_usd": 0.0001,
}


class Holder:
    """Claims and settles replies over its own connection, which acts as `service_role` and commits by itself."""

    def __init__(self, database_url: str) -> None:
        self.id = uuid4()
        self.connection = psycopg.connect(database_url, autocommit=True)
        self.connection.execute("set role service_role")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def claim(self, most: int = 10, lease: float = 15.0) -> list[Reply]:
        return self.claim_all(most, lease)["replies"]

    def claim_all(self, most: int = 10, lease: float = 15.0) -> dict[str, Any]:
        """The whole answer: {"replies": […], "next_due_in_ms": …}."""
        return self._call("claim_replies(%s, %s, %s)", self.id, most, lease)

    def renew(self, *replies: Reply, lease: float = 15.0) -> list[dict[str, Any]]:
        held = [{name: each.get(name) for name in ("message_id", "attempt", "model")} for each in replies]
        return self._call("renew_leases(%s, %s, %s)", self.id, Jsonb(held), lease)

    def save_draft(self, reply: Reply, content: str) -> int:
        draft = {"message_id": reply["message_id"], "attempt": reply["attempt"], "content": content}
        return self._call("save_drafts(%s, %s)", self.id, Jsonb([draft]))

    def complete(self, reply: Reply, content: str = "Because.", finish_reason: str = "stop") -> bool:
        return self._call(
            "complete_reply(%s, %s, %s, %s, %s, %s)", *self._fence(reply), content, finish_reason, Jsonb(CALL)
        )

    def fail(self, reply: Reply, code: str = "internal", retry_in: float | None = None) -> bool:
        return self._call("fail_reply(%s, %s, %s, %s, %s, %s)", *self._fence(reply), code, retry_in, Jsonb(CALL))

    def next_attempt(self, reply: Reply, code: str = "model_overloaded") -> int | None:
        return self._call("next_attempt(%s, %s, %s, %s, %s)", *self._fence(reply), code, Jsonb(CALL))

    def release(self) -> int:
        return self._call("release_replies(%s)", self.id)

    def _fence(self, reply: Reply) -> tuple[str, UUID, int]:
        return reply["message_id"], self.id, reply["attempt"]

    def _call(self, call: str, *arguments: object) -> Any:
        row = self.connection.execute(f"select public.{call}", arguments).fetchone()
        assert row is not None
        return row[0]
