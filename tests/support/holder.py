"""A worker for tests of the database: an id, and the reply functions called by name."""

import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

Reply = dict[str, Any]

CALL: dict[str, Any] = {
    "model_requested": "gemini-test",
    "model_version": "gemini-test-001",
    "prompt_tokens": 100,
    "candidate_tokens": 20,
    "thought_tokens": 5,
    "cost_usd": 0.0001,
}


class Holder:
    """Claims and settles replies over its own connection, which acts as `service_role` and commits by itself.

    It registers with its first claim, as one that has been heard for long: it may bury others at once.
    """

    def __init__(self, database_url: str, *, is_new: bool = False) -> None:
        self.id = uuid4()
        self.claims = 0
        """The number of its last claim."""
        self._url = database_url
        self._is_new = is_new
        self._is_registered = False
        self.connection = psycopg.connect(database_url, autocommit=True)
        self.connection.execute("set role service_role")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def register(self, lease: float = 15.0) -> None:
        self._call("register_worker(%s, %s, %s, %s)", self.id, lease, "test", 50)
        self._is_registered = True
        if not self._is_new:
            with psycopg.connect(self._url, autocommit=True) as operator:
                operator.execute("update private.workers set heard_since = '-infinity' where id = %s", [self.id])

    def claim(self, most: int = 10, lease: float = 15.0) -> list[Reply]:
        return self.claim_all(most, lease)["replies"]

    def claim_all(self, most: int = 10, lease: float = 15.0) -> dict[str, Any]:
        """The whole answer, with each reply's context read; the worker lives for `lease` seconds from here on."""
        if not self._is_registered:
            self.register(lease)
        else:
            self.beat(lease=lease)
        self.claims += 1
        return self.claim_numbered(self.claims, most)

    def claim_numbered(self, number: int, most: int = 10) -> dict[str, Any]:
        answer = self._call("claim_replies(%s, %s, %s)", self.id, number, most)
        for reply in answer["replies"]:
            reply.update(json.loads(reply.pop("context")))
        return answer

    def beat(self, *held: Reply, lease: float = 15.0, known: int = 0, closed: float | None = None) -> dict[str, Any]:
        """`known`: the last claim whose answer it has. A reply with a `model` is being asked. The answer, and in
        `replies` what it means for each that is held: {message_id, attempt, held, cancel_requested}."""
        asking = [
            {name: each[name] for name in ("message_id", "attempt", "model")} for each in held if each.get("model")
        ]
        answer = self._call(
            "beat(%s, %s, %s, %s, %s::uuid[], %s, %s)",
            self.id,
            lease,
            known,
            closed,
            [each["message_id"] for each in held],
            [each["attempt"] for each in held],
            Jsonb(asking),
        )
        lost = {(each["message_id"], each["attempt"]) for each in answer["lost"]}
        answer["replies"] = [
            {
                "message_id": each["message_id"],
                "attempt": each["attempt"],
                "held": answer["alive"] and (each["message_id"], each["attempt"]) not in lost,
                "cancel_requested": each["message_id"] in answer["cancel_requested"],
            }
            for each in held
        ]
        return answer

    def give_back(self, *replies: Reply, due_in: float = 0.0) -> int:
        named = [{name: each[name] for name in ("message_id", "attempt")} for each in replies]
        return self._call("give_back(%s, %s, %s)", self.id, Jsonb(named), due_in)

    def save_draft(self, reply: Reply, content: str, starts_at: int = 0) -> int | None:
        """Up to where the draft is stored; None: it was not saved."""
        piece = {name: reply[name] for name in ("message_id", "attempt", "version")}
        pieces = Jsonb([{**piece, "starts_at": starts_at, "content": content}])
        saved = self._call("save_drafts(%s, %s)", self.id, pieces)
        return saved[0]["stored"] if saved else None

    def complete(
        self,
        reply: Reply,
        content: str = "Because.",
        finish_reason: str = "stop",
        call: dict[str, Any] = CALL,
    ) -> bool:
        return self._call(
            "complete_reply(%s, %s, %s, %s, %s, %s)", *self._fence(reply), content, finish_reason, Jsonb(call)
        )

    def fail(
        self, reply: Reply, code: str = "internal", retry_in: float | None = None, call: dict[str, Any] = CALL
    ) -> bool:
        return self._call("fail_reply(%s, %s, %s, %s, %s, %s)", *self._fence(reply), code, retry_in, Jsonb(call))

    def next_attempt(self, reply: Reply, code: str = "model_overloaded", call: dict[str, Any] = CALL) -> int | None:
        return self._call("next_attempt(%s, %s, %s, %s, %s)", *self._fence(reply), code, Jsonb(call))

    def release(self) -> int:
        return self._call("release_replies(%s)", self.id)["released"]

    def reconcile(self, max_wait: float = 600.0, every: float = 0.0) -> dict[str, Any] | None:
        return self._call("reconcile_replies(%s, %s)", max_wait, every)

    def _fence(self, reply: Reply) -> tuple[str, UUID, int]:
        return reply["message_id"], self.id, reply["attempt"]

    def _call(self, call: str, *arguments: object) -> Any:
        row = self.connection.execute(f"select public.{call}", arguments).fetchone()
        assert row is not None
        return row[0]


MakeHolder = Callable[[], Holder]
"""The fixture `make_holder`."""


def ask_model(worker: Holder, reply: Reply) -> None:
    """From here on it is a call: whatever becomes of it, it stays in the ledger."""
    worker.beat({**reply, "model": "gemini-test"})
