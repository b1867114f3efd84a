"""SIGTERM to the page's server: who waits for an answer hears that it goes on, and nothing is lost."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import httpx

from tests.support.faulty_model import FaultyModel
from tests.support.http_api import Database, client_of, count, path
from tests.support.people import Chat, People
from tests.support.waiting import wait_for
from worker.local.stack import Stack

UNDER_WAY = ("pending", "answering")
GOODBYE_SECONDS = 14  # it has thirteen


def test_streams_end_properly_and_their_questions_are_answered(
    house: Stack, worker: Stack, people: People, database: Database, faulty_model: FaultyModel
) -> None:
    marker = uuid4().hex
    faulty_model.add("stall", question=marker, times=2, after=4, seconds=20)
    streamed, awaited = people.make_chat(), people.make_chat()
    body = {"message": f"How many likes did it get? {marker}"}
    with (
        client_of(house, streamed.user) as client,
        client_of(house, awaited.user) as other,
        ThreadPoolExecutor(1) as sender,
        client.stream("POST", path(streamed), json=body, headers={"Accept": "text/event-stream"}) as stream,
    ):
        sent = sender.submit(other.post, path(awaited), json=body)
        lines = stream.iter_lines()
        assert next(lines) == "event: user_message"
        wait_for(lambda: count(database, awaited) == 1, "the other question")
        try:
            house.web.ask_to_stop()
            events = "\n".join(lines)  # raises if the stream is cut
            answer = sent.result()
            wait_for(lambda: not house.web.running, "the server to go", GOODBYE_SECONDS)
            assert house.web.exit_code == 0
        finally:
            house.web.start()
    *_, last_event, its_data = [line for line in events.splitlines() if line]
    assert last_event == "event: status"
    assert json.loads(its_data.removeprefix("data: "))["status"] in UNDER_WAY
    assert answer.status_code == 202
    assert answer.json()["status"] in UNDER_WAY

    # The same page goes on where it was, and the answers come.
    for chat in (streamed, awaited):
        with client_of(house, chat.user) as client:
            wait_for(partial(is_answered, client, chat), "the answer", 40)


def is_answered(client: httpx.Client, chat: Chat) -> bool:
    return len(messages(client.get(path(chat)))) == 2


def messages(answer: httpx.Response) -> list[dict[str, object]]:
    found: list[dict[str, object]] = answer.json()["messages"]
    return found
