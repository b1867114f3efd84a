"""How many requests of one account the HTTP endpoints answer at a time, and that all others find a place."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient

from tests.support.access_tokens import token_of
from tests.support.waiting import wait_for
from worker.web.api import accounts
from worker.web.api.accounts import Accounts
from worker.web.api.waiting import NOT_ASKING, NOT_WAITING, Shares
from worker.web.app import create_page_app

THREADS = 32
SHARE = 7  # a quarter of those that may ask the project


class Project:
    """Answers each token but those that it is told to hang on, and counts who hangs."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.hanging_on: set[str] = set()
        self.hung = 0
        self.status = 200

    def __call__(self, *_: Any, headers: dict[str, str], **__: Any) -> httpx.Response:
        if headers["Authorization"].removeprefix("Bearer ") in self.hanging_on:
            self.hung += 1
            self.goes_on.wait(60)
        return httpx.Response(self.status, json=[] if self.status == 200 else {})


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    made = Project()
    monkeypatch.setattr(httpx.Client, "request", made)
    yield made
    made.goes_on.set()


Ask = Callable[[str], Any]


@pytest.fixture
def ask(project: Project) -> Ask:
    """Lists the chats of whom a token names."""
    client: FlaskClient = create_page_app("https://abc.supabase.co", "sb_publishable_abc").test_client()

    def asking(token: str) -> Any:
        return client.get("/api/chat/sessions/", headers={"Authorization": f"Bearer {token}"}, buffered=True)

    return asking


@pytest.fixture
def senders(project: Project) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as made:
        yield made
        project.goes_on.set()


def hang(project: Project, ask: Ask, senders: ThreadPoolExecutor, tokens: list[str]) -> list["Future[Any]"]:
    """Requests with these tokens, all of which wait for the project."""
    project.hanging_on |= set(tokens)
    before = project.hung
    sent = [senders.submit(ask, token) for token in tokens]
    wait_for(lambda: project.hung == before + len(tokens), "the project to be asked", 30)
    return sent


def test_one_account_has_a_quarter_of_the_places_and_everybody_else_the_rest(
    project: Project, ask: Ask, senders: ThreadPoolExecutor
) -> None:
    mine, other = token_of("authenticated", "me"), token_of("authenticated", "other")
    held = hang(project, ask, senders, [mine] * SHARE)
    for _ in range(3):
        refused = ask(mine)
        assert (refused.status_code, refused.json["code"], refused.headers["Retry-After"]) == (
            429,
            "too_many_at_once",
            "1",
        )
        assert "of yours" in refused.json["detail"]
    assert [ask(other).status_code for _ in range(3)] == [200] * 3
    project.goes_on.set()
    assert [each.result(60).status_code for each in held] == [200] * SHARE
    assert ask(mine).status_code == 200  # all places are given back


def test_an_account_with_many_tokens_is_one_account(project: Project, ask: Ask, senders: ThreadPoolExecutor) -> None:
    tokens = [token_of("authenticated", "me").replace("c2ln", f"c2ln{number:03}") for number in range(SHARE + 1)]
    assert {ask(token).status_code for token in tokens} == {200}  # the project has seen each of them
    hang(project, ask, senders, tokens[:SHARE])
    assert ask(tokens[SHARE]).status_code == 429


def test_a_token_that_only_names_somebody_takes_nothing_of_theirs(
    project: Project, ask: Ask, senders: ThreadPoolExecutor
) -> None:
    theirs = token_of("authenticated", "somebody")
    assert ask(theirs).status_code == 200
    forged = token_of("authenticated", "somebody").replace("c2ln", "Zm9yZ2Vk")
    project.status = 401
    hang(project, ask, senders, [forged] * SHARE)
    project.status = 200
    assert ask(theirs).status_code == 200


def test_who_has_no_token_is_told_so_and_takes_no_place(project: Project, ask: Ask) -> None:
    for _ in range(THREADS * 2):
        assert ask("no.token").status_code == 401
    assert ask(token_of("authenticated")).status_code == 200


@pytest.mark.parametrize("threads", [12, 32, 500])
def test_shares_are_never_all_and_never_nothing(threads: int) -> None:
    for shares, places in (
        (Shares.of_waiting(threads), threads - NOT_WAITING),
        (Shares.of_asking(threads), threads - NOT_ASKING),
    ):
        taken = 0
        while shares.take("me"):
            taken += 1
        assert 1 <= taken <= places / 4
        assert shares.take("somebody else")


def test_of_24_places_to_wait_an_account_has_four() -> None:
    shares = Shares.of_waiting(THREADS)
    assert [shares.take("me") for _ in range(6)] == [True] * 4 + [False] * 2
    shares.give_back("me")
    assert shares.take("me")


def test_however_many_tokens_come_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "MOST_TOKENS", 3)
    known = Accounts()
    tokens = [token_of("authenticated", f"user {number}") for number in range(5)]
    for token in tokens:
        known.accept(token)
    assert [known.of(token).startswith("user") for token in tokens] == [False, False, True, True, True]
