"""What a fault has at hand: the house, the crowd, and questions of its own, each in a chat of its own."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from psycopg.rows import dict_row

from tests.chaos.crowd import Crowd
from tests.chaos.diary import DIED, Entry
from tests.chaos.gateway import Gateway
from tests.chaos.house import Worker
from tests.chaos.verdict import OVER, Asked
from tests.chaos.watch import QueueWatch
from tests.support.people import Chat, People
from worker.local.stack import Stack

LONG_TEXT = "The hook asks a question, and the answer comes late. " * 10
LONG_TEXT_PIECES = 67


@dataclass
class Scene:
    stack: Stack
    gateway: Gateway
    workers: list[Worker]
    crowd: Crowd
    random: random.Random
    watch: QueueWatch
    diary: list[Entry] = field(default_factory=list)
    peace_until: float = 0.0
    """No other fault before this, by the monotonic clock."""
    findings: list[str] = field(default_factory=list)
    """What must not be, and is seen while a fault happens."""
    asked: Asked = field(default_factory=Asked)

    def rest(self, seconds: float) -> None:
        """Sleep, and start again what died by itself meanwhile, as `make run` does: the API's stand-in is one to.

        A worker that ends is a finding.
        """
        deadline = time.monotonic() + seconds
        looked = datetime.now(UTC)
        while True:
            for service in self.stack.services.values():
                if service.died:
                    with self.watch.disturbed():
                        service.start()
                    self.diary.append(Entry(DIED, looked, datetime.now(UTC)))
            for worker in self.workers:
                if worker.died:
                    self.findings.append(f"{worker.name}: ended by itself, with exit status {worker.exit_code}")
                    worker.start()
            looked = datetime.now(UTC)
            if time.monotonic() >= deadline:
                return
            time.sleep(min(0.2, max(0.0, deadline - time.monotonic())))

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Or until the time is over: under faults, not every wish comes true. Whether it did."""
        deadline = time.monotonic() + seconds
        while not (is_so := condition()) and time.monotonic() < deadline:
            self.rest(0.1)
        return is_so

    def expect(self, condition: Callable[[], bool], seconds: float, words: str) -> None:
        """What does not come true in time is a finding."""
        if not self.wait(condition, seconds):
            self.findings.append(f"{words}, after {seconds:g} s")

    @property
    def mortal(self) -> list[Worker]:
        """Of three or more workers one is never ended: whatever it leaks, it gathers through the whole run."""
        return self.workers[1:] if len(self.workers) > 2 else self.workers

    # ------------------------------------------------------------ the model

    def ask_model(self, fault: dict[str, Any]) -> None:
        url = f"{self.stack.environment['GEMINI_BASE_URL']}/faults"
        httpx.post(url, json=fault, timeout=5).raise_for_status()

    def holder_of_newest_call(self, among: list[Worker], question: str | None = None) -> Worker:
        """Who has just begun to answer, this question or any; anyone, if nobody does."""
        ids = {worker.id: worker for worker in among}
        row = self.row(
            "select worker_id::text from public.external_api_call_logs"
            " where outcome = 'started' and worker_id::text = any (%s) and message_id = coalesce(%s, message_id)"
            " order by started_at desc limit 1",
            list(ids),
            question,
        )
        return ids[row[0]] if row else self.random.choice(among)

    # ------------------------------------------------------------ questions

    def open_chat(self) -> Chat:
        with self.people() as people:
            return people.make_chat()

    def ask(self, chat: Chat | None = None, *, question: str | None = None, seconds: float | None = None) -> str:
        """A question of the harness itself, in a chat of its own unless one is named; its id.

        `seconds`: so long the model takes for it, the first time.
        """
        question = question or str(uuid4())
        if seconds is not None:
            pace_ms = int(seconds * 1000 / LONG_TEXT_PIECES)
            self.ask_model({"fault": "say", "text": LONG_TEXT, "pace_ms": pace_ms, "question": question})
        session = str((chat or self.open_chat()).session)
        self.execute(
            "insert into public.chat_messages (id, session_id, content) values (%s, %s, %s)",
            question,
            session,
            f"How can I improve this post? {question}",
        )
        self.note(session, question)
        return question

    def note(self, session: str, question: str) -> None:
        """It was accepted: the judge looks what has become of it."""
        talk = next((talk for talk in self.asked.talks if talk["session"] == session), None)
        if talk is None:
            talk = {"session": session, "accepted": []}
            self.asked.talks.append(talk)
        talk["accepted"].append(question)

    def status(self, question: str) -> str | None:
        row = self.row("select status from public.chat_replies where message_id = %s", question)
        return row[0] if row else None

    def is_being_asked(self, question: str) -> bool:
        """A worker has told that it asks the model."""
        call = "select from public.external_api_call_logs where message_id = %s and outcome = 'started'"
        return self.row(call, question) is not None

    def is_over(self, question: str) -> bool:
        return self.status(question) in OVER

    def nothing_is_under_way(self) -> bool:
        return self.row("select from private.reply_queue limit 1") is None

    # ------------------------------------------------------------ the database

    @contextmanager
    def people(self) -> Iterator[People]:
        with (
            psycopg.connect(
                self.stack.environment["DATABASE_URL"], autocommit=True, row_factory=dict_row
            ) as connection,
            People(self.stack.environment, connection) as people,
        ):
            yield people

    def row(self, query: str, *parameters: object) -> tuple[Any, ...] | None:
        with self.connect() as connection:
            return connection.execute(query, parameters).fetchone()

    def execute(self, statement: str, *parameters: object) -> int:
        """As the dashboard does. Answers how many rows it concerned."""
        with self.connect() as connection:
            return connection.execute(statement, parameters).rowcount

    def connect(self, *, as_superuser: bool = False) -> psycopg.Connection[tuple[Any, ...]]:
        """As in the dashboard, unless as superuser."""
        environment = self.stack.environment["DATABASE_URL"]
        return psycopg.connect(self.stack.postgres.url("supabase_admin") if as_superuser else environment)
