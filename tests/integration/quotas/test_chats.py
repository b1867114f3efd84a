"""How many active chats a user has."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from tests.support import limits
from tests.support.people import Chat, People
from tests.support.quotas import ask, ends_with_its_period, refusal
from tests.support.side_by_side import as_user
from worker.local.stack import Stack
from worker.local.supabase.passwords import SUPERUSER

pytestmark = pytest.mark.usefixtures("quiet")

ASK = "insert into public.chat_messages (session_id, content) values (%s, 'Why?')"


def open_chat(client: httpx.Client, analysis: UUID) -> httpx.Response:
    return client.post("/rpc/open_chat_session", json={"post_analysis_id": str(analysis)})


def set_status(client: httpx.Client, status: str, **where: str) -> httpx.Response:
    return client.patch("/chat_sessions", params={"id": "not.is.null", **where}, json={"status": status})


def test_active_chats_are_limited_whichever_way_one_is_opened(
    people: People, database: Any, chat: Chat, owner: httpx.Client
) -> None:
    limits.put_on(database, chat.user, active_chats=2)
    analyses = [people.make_analysis(chat.user)[1] for _ in range(2)]
    assert open_chat(owner, analyses[0]).status_code == 200
    said = refusal(open_chat(owner, analyses[1]))
    assert said == {"limit": "active_chats", "most": 2, "used": 2, "resets_at": None}
    inserted = {"post_analysis_id": str(analyses[1]), "user_id": str(chat.user.id)}
    assert refusal(owner.post("/chat_sessions", json=inserted))["limit"] == "active_chats"
    # What is open can be read at the limit, too.
    assert open_chat(owner, analyses[0]).status_code == 200
    assert set_status(owner, "archived", id=f"eq.{chat.session}").status_code == 200
    assert open_chat(owner, analyses[1]).status_code == 200
    assert refusal(set_status(owner, "active", id=f"eq.{chat.session}"))["limit"] == "active_chats"


def test_one_statement_over_all_chats_of_a_user_is_refused_whole(
    people: People, database: Any, chat: Chat, owner: httpx.Client
) -> None:
    limits.put_on(database, chat.user, chat_changes_per_minute=5)
    for _ in range(5):
        people.make_chat(chat.user)
    assert refusal(set_status(owner, "archived"))["limit"] == "chat_changes_per_minute"
    said = refusal(owner.delete("/chat_sessions", params={"id": "not.is.null"}))
    assert said["limit"] == "chat_changes_per_minute"
    assert ends_with_its_period(said["resets_at"], "questions_per_minute")
    found = database.execute("select status, count(*) from public.chat_sessions group by 1").fetchall()
    assert found == [{"status": "active", "count": 6}]


def test_openings_changes_and_deletions_of_chats_are_counted_together(
    people: People, database: Any, chat: Chat, owner: httpx.Client
) -> None:
    limits.put_on(database, chat.user, chat_changes_per_minute=4)
    _, analysis = people.make_analysis(chat.user)
    this = {"id": f"eq.{chat.session}"}
    assert open_chat(owner, analysis).status_code == 200
    assert open_chat(owner, analysis).status_code == 200  # there already: nothing changes
    assert set_status(owner, "archived", **this).status_code == 200
    assert set_status(owner, "archived", **this).status_code == 200  # as it was
    assert set_status(owner, "active", **this).status_code == 200
    assert owner.delete("/chat_sessions", params={"post_analysis_id": f"eq.{analysis}"}).status_code == 200
    assert refusal(set_status(owner, "archived", **this))["limit"] == "chat_changes_per_minute"
    database.execute("delete from public.chat_sessions where id = %s", [chat.session])


def test_a_user_who_opens_and_archives_at_once_is_told_busy_and_waits_in_no_ring(
    people: People, database: Any, chat: Chat, database_url: str
) -> None:
    """A status is changed with the chat locked first and the user second; a question locks the user first."""
    with as_user(database_url, chat.user) as asking, as_user(database_url, chat.user) as archiving:
        other = people.make_chat(chat.user)
        asking.execute(ASK, [other.session])
        with pytest.raises(psycopg.Error) as refused:
            archiving.execute("update public.chat_sessions set status = 'archived' where id = %s", [chat.session])
        assert (refused.value.sqlstate, refused.value.diag.message_hint) == ("PT429", "busy")


@pytest.fixture
def leave(stack: Stack) -> Iterator[str]:
    """A function of the project's own, as many have it, by which users delete their account."""
    with psycopg.connect(stack.postgres.url(SUPERUSER), autocommit=True) as operator:
        operator.execute(
            """create function public.leave() returns void language sql security definer set search_path = ''
            begin atomic delete from auth.users u where u.id = auth.uid(); end"""
        )
        operator.execute("grant execute on function public.leave() to authenticated")
        try:
            yield "select public.leave()"
        finally:
            operator.execute("drop function public.leave()")


def test_whoever_deletes_their_account_is_not_stopped_by_the_limit_of_chats(
    people: People, database: Any, chat: Chat, owner: httpx.Client, database_url: str, leave: str
) -> None:
    limits.put_on(database, chat.user, chat_changes_per_minute=1)
    people.make_chat(chat.user)
    assert ask(owner, chat).status_code == 201
    with as_user(database_url, chat.user) as leaving:
        leaving.execute(leave)
        leaving.commit()
    for table in ("public.chat_sessions", "private.usage_asked", "private.reply_queue"):
        found = database.execute(f"select from {table} where user_id = %s", [chat.user.id]).fetchall()
        assert found == []


def test_at_the_limit_nobody_learns_whether_somebody_else_has_opened_a_chat(
    people: People, database: Any, chat: Chat, owner: httpx.Client
) -> None:
    limits.put_on(database, chat.user, chat_changes_per_minute=0)
    opened = people.make_chat()
    _, unopened = people.make_analysis(opened.user)
    said = [
        owner.post("/chat_sessions", json={"post_analysis_id": str(analysis), "user_id": str(chat.user.id)}).json()
        for analysis in (opened.analysis, unopened, uuid4())
    ]
    assert [each["code"] for each in said] == ["quota_exceeded"] * 3
