"""The HTTP endpoints when something is wrong: a hanging project, clients that idle or leave, a lost connection."""

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from functools import partial
from uuid import uuid4

import httpx
import pytest

from tests.support.faulty_model import FaultyModel
from tests.support.http_api import Database, client_of, count, is_problem, path
from tests.support.people import Chat, People
from tests.support.waiting import wait_for
from worker.local.stack import Stack

WAITERS = 24  # WEB_THREADS, less the reserve
SHARE = 4  # a sixth of these
WORKING = 28  # WEB_THREADS, less what is kept for page and health


@pytest.fixture
def chat(people: People, worker: Stack) -> Chat:
    return people.make_chat()


@contextmanager
def hanging(house: Stack) -> Iterator[None]:
    """The API takes connections, and says nothing."""
    process = house.api._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def assert_page_and_health_answer(house: Stack) -> None:
    base = house.environment["WEB_URL"]
    assert httpx.get(f"{base}/healthz", timeout=5).status_code == 200
    assert httpx.get(base, timeout=5).status_code == 200


def test_a_project_that_hangs_takes_neither_page_nor_health_along(
    house: Stack, worker: Stack, people: People
) -> None:
    users = [people.make_chat().user for _ in range(20)]  # one alone has no more than a quarter
    with ExitStack() as clients, ThreadPoolExecutor(100) as senders:
        callers = [clients.enter_context(client_of(house, users[number % 20])) for number in range(100)]
        with hanging(house):
            sent = [senders.submit(caller.get, "/sessions/") for caller in callers]
            wait_for(lambda: sum(each.done() for each in sent) >= 100 - WORKING, "the refusals")
            assert_page_and_health_answer(house)
            wait(sent)
        answers = [each.result() for each in sent]
        refused = [answer for answer in answers if answer.status_code == 503]
        assert len(refused) >= 100 - WORKING
        assert all(is_problem(answer, 503, "too_busy") and answer.headers["Retry-After"] for answer in refused)
        assert {answer.status_code for answer in answers} == {503, 504}
        # All places are given back.
        for caller in callers:
            wait_for(partial(is_served, caller), "an answer")


def has_more_than(number: int, database: Database, chat: Chat) -> bool:
    return count(database, chat) > number


def is_served(caller: httpx.Client) -> bool:
    return caller.get("/sessions/").status_code == 200


def test_connections_that_idle_keep_nobody_out(house: Stack, worker: Stack) -> None:
    with ExitStack() as idle:
        for _ in range(150):
            idle.enter_context(socket.create_connection(("127.0.0.1", house.ports.web)))
        assert_page_and_health_answer(house)


def test_who_has_gone_frees_the_place(house: Stack, people: People, chat: Chat, faulty_model: FaultyModel) -> None:
    marker = uuid4().hex
    faulty_model.add("stall", question=marker, times=None)
    chats = [people.make_chat() for _ in range(WAITERS)]

    def leave(number: int) -> None:
        accept = ("application/json", "text/event-stream")[number % 2]
        with client_of(house, chats[number].user) as client, pytest.raises(httpx.ReadTimeout):
            client.post(
                path(chats[number]),
                json={"message": marker},
                headers={"Accept": accept, "Prefer": "wait=30"},
                timeout=httpx.Timeout(10, read=1.5),
            )

    with ThreadPoolExecutor(WAITERS) as leavers:
        list(leavers.map(leave, range(WAITERS)))
    with ExitStack() as clients:
        # As many as there are places, all at the same time: not one was lost.
        new = [people.make_chat() for _ in range(WAITERS)]
        callers = [clients.enter_context(client_of(house, each.user)) for each in new]

        def ask(number: int) -> bool:
            body = {"message": marker}
            headers = {"Prefer": "wait=3", "Idempotency-Key": str(new[number].session)}
            return callers[number].post(path(new[number]), json=body, headers=headers).status_code == 202

        def all_wait() -> bool:
            with ThreadPoolExecutor(WAITERS) as askers:
                return all(askers.map(ask, range(WAITERS)))

        wait_for(all_wait, "all places to be free", seconds=20)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_stored_question_is_not_called_lost_because_a_look_failed(
    house: Stack, chat: Chat, faulty_model: FaultyModel, accept: str
) -> None:
    marker, key = uuid4().hex, str(uuid4())
    stall = faulty_model.add("stall", question=marker, times=None)
    with client_of(house, chat.user) as client, ThreadPoolExecutor(1) as sender:
        sent = sender.submit(
            client.post,
            path(chat),
            json={"message": marker},
            headers={"Prefer": "wait=6", "Idempotency-Key": key, "Accept": accept},
        )
        # By then the page's server has long had the answer to its insert.
        wait_for(lambda: faulty_model.used(stall) == 1, "the model to be asked")
        house.api.kill()
        try:
            answer = sent.result()
        finally:
            house.api.start()
    if accept == "application/json":
        assert (answer.status_code, answer.json()["user_message"]["id"]) == (202, key), answer.text
    else:
        assert [line for line in answer.text.splitlines() if line.startswith("event")] == [
            "event: user_message",
            "event: status",
        ]


def test_one_user_does_not_take_all_places_to_wait(
    house: Stack, people: People, chat: Chat, database: Database, faulty_model: FaultyModel
) -> None:
    marker = uuid4().hex
    faulty_model.add("stall", question=marker, times=None)
    own = [chat, people.make_chat(chat.user)]
    with ExitStack() as clients, ThreadPoolExecutor(WAITERS) as senders:
        client, stranger = clients.enter_context(client_of(house, chat.user)), people.make_chat()
        sent = []
        for number in range(WAITERS):  # one after the other: a user has three commands at a time
            one = own[number % 2]
            sent.append(senders.submit(client.post, path(one), json={"message": marker}))
            wait_for(partial(has_more_than, number // 2, database, one), "the question", seconds=20)
        # Those beyond the share have their answer: it is stored, and they may look themselves.
        wait_for(lambda: sum(each.done() for each in sent) >= WAITERS - SHARE, "the others", seconds=20)
        with client_of(house, stranger.user) as other:
            answer = other.post(path(stranger), json={"message": marker}, headers={"Prefer": "wait=1"})
        assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "wait=1")
        answers = [each.result() for each in sent]
    assert {each.status_code for each in answers} == {202}
    at_once = [each for each in answers if each.headers["Preference-Applied"] == "respond-async"]
    assert len(at_once) >= WAITERS - SHARE
