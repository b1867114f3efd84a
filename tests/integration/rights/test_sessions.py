"""A chat is opened once, archived, summed up and deleted by its owner."""

from tests.support.chat_rows import store_answer
from tests.support.database import Connection, one_row
from tests.support.every_table import Row
from tests.support.people import People


def test_open_chat_session_opens_once(people: People) -> None:
    user = people.make_user()
    _, analysis = people.make_analysis(user)
    client = people.signed_in(user)
    first, second = (
        client.post("/rpc/open_chat_session", json={"post_analysis_id": str(analysis)}).json() for _ in range(2)
    )
    assert first == second
    assert (first["user_id"], first["post_analysis_id"]) == (str(user.id), str(analysis))


def test_an_archived_session_takes_no_questions_until_it_is_reopened(people: People) -> None:
    chat = people.make_chat()
    client = people.signed_in(chat.user)
    session, message = {"id": f"eq.{chat.session}"}, {"session_id": str(chat.session), "content": "Hello"}
    client.patch("/chat_sessions", params=session, json={"status": "archived"})
    refused = client.post("/chat_messages", json=message)
    assert (refused.status_code, refused.json()["hint"]) == (409, "session_archived")
    client.patch("/chat_sessions", params=session, json={"status": "active"})
    assert client.post("/chat_messages", json=message).status_code == 201


def test_deleting_a_chat_takes_everything_but_its_cost(people: People, database: Connection) -> None:
    row = Row(people, database, "chat_sessions")
    people.signed_in(row.chat.user).delete("/chat_sessions", params=row.filter)
    left = {
        table: one_row(
            database.execute(f"select count(*) from public.{table} where session_id = %s", [row.chat.session])
        )["count"]
        for table in ("chat_messages", "chat_replies", "chat_reply_drafts", "external_api_call_logs")
    }
    assert left == {
        "chat_messages": 0,
        "chat_replies": 0,
        "chat_reply_drafts": 0,
        "external_api_call_logs": 1,
    }


def test_a_summary_counts_questions_and_answers_once_whatever_their_versions(
    people: People, database: Connection
) -> None:
    chat = people.make_chat()
    first, second = people.ask(chat), people.ask(chat, "And then?")
    for question, version in [(first, 1), (first, 2), (second, 1)]:
        store_answer(database, chat, question, version)
    replaced = people.ask(chat, "Not what I meant")
    store_answer(database, chat, replaced, 1)
    database.execute(
        "insert into public.chat_messages (session_id, content, replaces) values (%s, 'Not answered yet', %s)",
        [chat.session, replaced],
    )
    other = people.make_chat(chat.user)

    found = people.signed_in(chat.user).get("/chat_session_summaries", params={"order": "last_turn.desc"}).json()
    assert [(row["id"], row["message_count"]) for row in found] == [(str(chat.session), 5), (str(other.session), 0)]
    assert (found[0]["post_analysis_id"], found[0]["status"], found[0]["last_turn"]) == (
        str(chat.analysis),
        "active",
        4,
    )
