"""Replies on a scripted API."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from postgrest.exceptions import APIError
from supabase import AsyncClient

from worker.claim import Claim
from worker.database.replies import Replies
from worker.database.rpc import Database
from worker.rows import Call, Reply

ALIVE_SECONDS = 15.0

CALL_SECONDS = 10.0


class ScriptedDatabase:
    """Answers each function with what stands under its name; an error there is raised. A list of answers is used up
    one by one, but for its last. `gates`: events that these functions wait for."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {name: list(each) if isinstance(each, tuple) else [each] for name, each in answers.items()}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.reached = asyncio.Event()

    def rpc(self, function: str, words: dict[str, Any]) -> Any:
        async def execute() -> Any:
            self.asked.append((function, words))
            self.reached.set()
            if gate := self.gates.get(function):
                await gate.wait()
            answers = self.answers[function]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, BaseException):
                raise answer
            return SimpleNamespace(data=answer)

        return SimpleNamespace(execute=execute)

    def words(self, function: str) -> list[dict[str, Any]]:
        return [words for asked, words in self.asked if asked == function]


def replies_of(*, offer_seconds: float = 60.0, **answers: Any) -> tuple[ScriptedDatabase, Replies]:
    scripted = ScriptedDatabase(**answers)
    database = Database(cast(AsyncClient, scripted), CALL_SECONDS)
    return scripted, Replies(database, database, ALIVE_SECONDS, offer_seconds)


def claim_of(message_id: str = "m", attempt: int = 1) -> Claim:
    reply = Reply(message_id, "session", "user", attempt, 1, 4, "Why?", [], [], [])
    return Claim(reply, "w1", attempt=attempt, calls_left=4)


CALL = Call("chat-1", model_requested="model", prompt_tokens=7)


def refuses(code: str) -> APIError:
    return APIError({"code": code, "message": "sentinel"})
