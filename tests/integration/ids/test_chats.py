"""The id of a chat is chosen by nobody, and its channel is joined by nobody again."""

from uuid import uuid4

import pytest

from tests.support.database import Connection
from tests.support.holder import MakeHolder
from tests.support.ids import ask_rest
from tests.support.people import Chat, People
from tests.support.side_by_side import ids

pytestmark = pytest.mark.usefixtures("quiet")


def test_nobody_chooses_the_id_of_a_chat(people: People, database: Connection) -> None:
    user = people.make_user()
    _, analysis = people.make_analysis(user)
    client, chosen = people.signed_in(user), uuid4()
    sent = client.post("/chat_sessions", json={"id": str(chosen), "post_analysis_id": str(analysis)})
    assert (sent.status_code, sent.json()["code"]) == (403, "42501")
    sent = client.post("/chat_sessions", json={"post_analysis_id": str(analysis)})
    assert sent.status_code == 201
    assert database.execute("select from public.chat_sessions where id = %s", [chosen]).fetchone() is None


def test_the_channel_of_a_deleted_chat_can_be_joined_by_nobody_again(
    people: People, database: Connection, chat: Chat
) -> None:
    """Who has no chat of that id may not read its topic, and a chat of that id can never be made again."""
    thief = people.make_chat()
    assert people.signed_in(chat.user).delete(f"/chat_sessions?id=eq.{chat.session}").is_success
    client = people.signed_in(thief.user)
    _, analysis = people.make_analysis(thief.user)
    assert (
        client.post("/chat_sessions", json={"id": str(chat.session), "post_analysis_id": str(analysis)}).status_code
        == 403
    )
    changed = client.patch(f"/chat_sessions?id=eq.{thief.session}", json={"id": str(chat.session)})
    assert changed.status_code == 403
    assert database.execute("select from public.chat_sessions where id = %s", [chat.session]).fetchone() is None


def test_a_chat_opened_again_for_the_same_analysis_has_another_id(people: People, chat: Chat) -> None:
    client = people.signed_in(chat.user)
    assert client.delete(f"/chat_sessions?id=eq.{chat.session}").is_success
    opened = client.post("/rpc/open_chat_session", json={"post_analysis_id": str(chat.analysis)})
    assert opened.status_code == 200
    assert opened.json()["id"] != str(chat.session)


def test_a_question_after_all_of_this_is_answered(people: People, make_holder: MakeHolder, chat: Chat) -> None:
    used = people.ask(chat)
    assert people.signed_in(chat.user).delete(f"/chat_sessions?id=eq.{chat.session}").is_success
    again = people.make_chat(chat.user)
    ask_rest(people, again.user, again.session, id=used)
    assert ask_rest(people, again.user, again.session)[0] == 201
    worker = make_holder()
    (claimed,) = worker.claim()
    assert ids([claimed]) != {str(used)}
    assert worker.complete(claimed) is True
