"""People who chat, and how long they wait for their answers."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import uuid4

import httpx

from tests.support.people import Chat, People

PAUSE = 5.0  # seconds that somebody reads before the next question: within the plan
POLL = 0.1  # seconds between two looks at the reply
PATIENCE = 60.0  # seconds until somebody gives up
AGAIN = 1.0  # seconds until what was refused for the moment is sent again
PASSING = {429, 500, 502, 503, 504}


@dataclass
class Waits:
    """`taken`: seconds from a question to its stored answer. `failed`: what somebody saw instead of one."""

    taken: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def share(self, part: float) -> float:
        """The wait, in seconds, that this part of them did not pass."""
        return sorted(self.taken)[min(len(self.taken) - 1, int(part * len(self.taken)))] if self.taken else 0.0


def chat_for(people: People, chats: list[Chat], seconds: float) -> Waits:
    """Each of them asks, waits for the answer, reads it, and asks again."""
    waits, end = Waits(), time.monotonic() + seconds

    def one(chat: Chat) -> None:
        client = people.signed_in(chat.user)
        while time.monotonic() < end:
            _ask(client, chat, waits)
            time.sleep(PAUSE)

    with ThreadPoolExecutor(len(chats)) as pool:
        list(pool.map(one, chats))
    return waits


def _ask(client: httpx.Client, chat: Chat, waits: Waits) -> None:
    question = str(uuid4())
    row = {"id": question, "session_id": str(chat.session), "role": "user", "content": f"How many likes? {question}"}
    begun = time.monotonic()
    # As the page does: what is refused for the moment is sent again, and it is stored once.
    while (answer := client.post("/chat_messages", json=row)).status_code in PASSING:
        time.sleep(AGAIN)
        if time.monotonic() - begun > PATIENCE:
            break
    if answer.is_error and answer.status_code != httpx.codes.CONFLICT:
        waits.failed.append(f"{answer.status_code} {answer.text[:100]}")
        return
    while (status := _status(client, question)) != "completed":
        if status in ("failed", "cancelled") or time.monotonic() - begun > PATIENCE:
            waits.failed.append(f"{status} after {time.monotonic() - begun:.0f} s")
            return
        time.sleep(POLL)
    waits.taken.append(time.monotonic() - begun)


def _status(client: httpx.Client, question: str) -> str:
    answer = client.get("/chat_replies", params={"message_id": f"eq.{question}", "select": "status"})
    return str(answer.json()[0]["status"]) if answer.is_success else "not known"
