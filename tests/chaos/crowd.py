"""The users, as a process of their own (crowd.mjs): it is told to start, to be silent, to go on, and to end."""

import contextlib
import json
import random
import subprocess
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from tests.support.people import People
from worker.local.stack import NODE, Stack

SCRIPT = Path(__file__).with_name("crowd.mjs")
# Of six questions one is answered AT_LENGTH: for longer than a lease holds unless it is renewed.
AT_LENGTH = "At length, please:"
ASKED = ("How many likes did it get?", "How can I improve this post?", "Why did it work?", "Sum it up.")
EDITED = REGENERATED = 1 / 8
"""Of the questions, so many are replaced by another, and of so many another version is asked for."""
END_SECONDS = 120.0


class Crowd:
    """Each of `users` has a chat and asks `messages` questions, spread over `seconds`."""

    def __init__(self, stack: Stack, users: int, messages: int, seconds: float, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311
        self.has_asked = False
        """Nobody has anything more to ask."""
        self._report = ""
        with (
            psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True, row_factory=dict_row) as connection,
            People(stack.environment, connection) as people,
        ):
            chats = [people.make_chat() for _ in range(users)]
        self._process = subprocess.Popen(
            [str(NODE), str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        told = {
            "url": stack.environment["SUPABASE_URL"],
            "key": stack.environment["SUPABASE_PUBLISHABLE_KEY"],
            "seed": seed,
            "pauseMs": seconds * 1000 / messages,
            "people": [
                {
                    "token": chat.user.token,
                    "sessions": [{"id": str(chat.session), "questions": _questions(messages, chance)}],
                }
                for chat in chats
            ],
        }
        self._tell(json.dumps(told))
        self._listening = threading.Thread(target=self._listen, name="crowd", daemon=True)
        self._listening.start()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def hush(self) -> None:
        """Nobody asks anything new, until `speak`."""
        self._tell("hush")

    def speak(self) -> None:
        self._tell("speak")

    def end(self) -> list[dict[str, Any]]:
        """Wait until every page shows the end of every reply; what each was told and shows."""
        self._tell("end")
        self._listening.join(END_SECONDS)
        talks: list[dict[str, Any]] = json.loads(self._report)
        return talks

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._listening.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if pipe:
                    pipe.close()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            if line == "asked\n":
                self.has_asked = True
            else:
                self._report += line

    def _tell(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def _questions(number: int, chance: random.Random) -> list[dict[str, Any]]:
    questions = []
    for _ in range(number):
        question: dict[str, Any] = _question(chance)
        fate = chance.random()
        if fate < EDITED:
            question["edit"] = _question(chance)
        question["regenerate"] = EDITED <= fate < EDITED + REGENERATED
        questions.append(question)
    return questions


def _question(chance: random.Random) -> dict[str, str]:
    """It ends with its own id, by which the model's log is read."""
    question = str(UUID(int=chance.getrandbits(128), version=4))
    manner = f"{AT_LENGTH} " if chance.random() < 1 / 6 else ""
    return {"id": question, "text": f"{manner}{chance.choice(ASKED)} {question}"}
