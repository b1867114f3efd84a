"""Who may do what, asked of the REST API as a browser would: the tables, the functions, the refusals.

Words of the two tables below, in the order anon, owner, another user, service:
yes: done; none: allowed, and it finds nothing; no: refused with 42501 (401 for anon, else 403);
a number: that HTTP status.
"""

import re
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from tests.support.database import Connection, one_row
from tests.support.people import Chat, People
from worker.text import BLANKS, is_blank

ROLES = ("anon", "owner", "other", "service")
PRIVATE = (
    *("reply_queue", "workers", "draft_pieces", "used_ids", "erasures", "served_places", "reconciler"),
    *("spend", "refusals"),
    *("uncounted_calls", "uncounted_replies", "call_counts", "reply_counts", "user_day_counts"),
    *("usage_asked", "usage_spent"),
)

# fmt: off
TABLES = {
    #                           select              insert           update             delete
    "posts":                   ("no yes none yes",  "no no no yes",  "no no no yes",    "no no no yes"),
    "post_analyses":           ("no yes none yes",  "no no no yes",  "no no no yes",    "no no no yes"),
    "plans":                   ("no yes yes yes",   "no no no no",   "no no no no",     "no no no no"),
    "chat_settings":           ("no no no yes",     "no no no no",   "no no no no",     "no no no no"),
    "user_plans":              ("no yes none yes",  "no no no yes",  "no no no yes",    "no no no yes"),
    "chat_sessions":           ("no yes none yes",  "no yes no no",  "no yes none no",  "no yes none no"),
    "chat_messages":           ("no yes none yes",  "no yes no yes", "no no no no",     "no no no no"),
    "chat_replies":            ("no yes none yes",  "no no no no",   "no no no no",     "no no no no"),
    "external_api_call_logs":  ("no no no yes",     "no no no no",   "no no no no",     "no no no no"),
    "chat_session_summaries":  ("no yes none no",   "no no no no",   "no no no no",     "no no no no"),
    "current_chat_messages":   ("no yes none yes",  "no no no no",   "no no no no",     "no no no no"),
    # Views of functions: no statement that writes can even be planned (55000), whatever its role may do.
    "chat_reply_drafts":       ("no yes none no",   "500 500 500 500", "500 500 500 500", "500 500 500 500"),
    "chat_service":            ("no yes yes no",    "500 500 500 500", "500 500 500 500", "500 500 500 500"),
}
FUNCTIONS = {
    "open_chat_session":  "no yes 404 no",
    "retry_reply":        "no yes 404 no",
    "cancel_reply":       "no yes 404 no",
    "regenerate_reply":   "no yes 404 no",
    "chat_usage":         "no yes yes no",
    "register_worker":    "no no no yes",
    "claim_replies":      "no no no yes",
    "beat":               "no no no yes",
    "give_back":          "no no no yes",
    "save_drafts":        "no no no yes",
    "next_attempt":       "no no no yes",
    "complete_reply":     "no no no yes",
    "fail_reply":         "no no no yes",
    "release_replies":    "no no no yes",
    "reconcile_replies":  "no no no yes",
    "measure_spend":      "no no no yes",
    "erase_broadcasts":   "no no no yes",
    "ops_queue":          "no no no yes",
    "ops_report":         "no no no yes",
    "check_installation": "no no no yes",
}
# fmt: on

TABLE_CASES = [
    pytest.param(table, operation, role, expected, id=f"{table}-{operation}-{role}")
    for table, operations in TABLES.items()
    for operation, row in zip(("select", "insert", "update", "delete"), operations, strict=True)
    for role, expected in zip(ROLES, row.split(), strict=True)
]
FUNCTION_CASES = [
    pytest.param(function, role, expected, id=f"{function}-{role}")
    for function, row in FUNCTIONS.items()
    for role, expected in zip(ROLES, row.split(), strict=True)
]


def client_of(people: People, role: str, chat: Chat) -> httpx.Client:
    match role:
        case "anon":
            return people.anon()
        case "owner":
            return people.signed_in(chat.user)
        case "other":
            return people.signed_in(people.make_user())
        case _:
            return people.service()


def outcome(response: httpx.Response, role: str) -> str:
    if response.status_code in (401, 403):
        assert response.json()["code"] == "42501", response.text
        assert response.status_code == (401 if role == "anon" else 403)
        return "no"
    if response.is_error:
        assert response.status_code != 500 or response.json()["code"] == "55000", response.text
        return str(response.status_code)
    return "none" if response.json() == [] else "yes"


def store_answer(database: Connection, chat: Chat, question: UUID, version: int) -> None:
    database.execute(
        """insert into public.chat_messages (session_id, user_id, role, content, turn, reply_to, version)
        values (%s, %s, 'assistant', 'Because.', 0, %s, %s)""",
        [chat.session, chat.user.id, question, version],
    )


class Row:
    """One row of each table, all about the same chat, with what to insert and to update beside it."""

    def __init__(self, people: People, database: Connection, table: str) -> None:
        self.chat = people.make_chat()
        self.message = people.ask(self.chat)
        session, user, message = str(self.chat.session), str(self.chat.user.id), str(self.message)
        values = [self.message, self.chat.session, self.chat.user.id]
        database.execute(
            """insert into private.draft_pieces (message_id, attempt, version, starts_at, content)
            values (%s, 0, 1, 0, 'Beca')""",
            [self.message],
        )
        database.execute(
            """insert into public.external_api_call_logs
              (message_id, session_id, user_id, attempt, worker_id, outcome)
            values (%s, %s, %s, 1, gen_random_uuid(), 'timed_out')""",
            values,
        )
        newcomer = people.make_user().id
        database.execute("insert into public.user_plans (user_id, plan) values (%s, 'pro')", [user])
        post, analysis = people.make_analysis(self.chat.user)
        whose = {"session_id": session, "user_id": user}
        key = {
            "plans": ("name", "free"),
            "chat_settings": ("id", "true"),
            "user_plans": ("user_id", user),
            "posts": ("id", self.chat.post),
            "post_analyses": ("id", self.chat.analysis),
            "chat_sessions": ("id", self.chat.session),
            "chat_messages": ("id", self.message),
            "chat_session_summaries": ("id", self.chat.session),
            "current_chat_messages": ("id", self.message),
        }
        column, value = key.get(table, ("message_id", self.message))
        self.filter = {} if table == "chat_service" else {column: f"eq.{value}"}
        self.new = {
            "plans": {"name": "mine"},
            "chat_settings": {"id": True},
            "user_plans": {"user_id": str(newcomer), "plan": "pro"},
            "posts": {"user_id": user, "platform": "tiktok", "url": "https://example.test/p/2"},
            "post_analyses": {"user_id": user, "post_id": str(post)},
            "chat_sessions": {"user_id": user, "post_analysis_id": str(analysis)},
            "chat_messages": {"session_id": session, "role": "user", "content": "And then?"},
            "chat_replies": {"message_id": message, **whose},
            "chat_reply_drafts": {"message_id": message, "attempt": 2, "content": "No", **whose},
            "external_api_call_logs": {
                "message_id": message,
                "attempt": 2,
                "worker_id": str(uuid4()),
                **whose,
            },
            "chat_session_summaries": {"user_id": user, "post_analysis_id": str(analysis)},
            "current_chat_messages": {"session_id": session, "role": "user", "content": "And then?"},
            "chat_service": {"answering": True},
        }[table]
        self.change = {
            "plans": {"questions_per_day": None},
            "chat_settings": {"paused": False},
            "user_plans": {"plan": "free"},
            "posts": {"caption": "Four eggs"},
            "post_analyses": {"viral_status": "none"},
            "chat_sessions": {"status": "archived"},
            "chat_messages": {"content": "I never said that"},
            "chat_replies": {"status": "failed"},
            "chat_reply_drafts": {"content": "No"},
            "external_api_call_logs": {"cost_usd": 0},
            "chat_session_summaries": {"status": "archived"},
            "current_chat_messages": {"content": "I never said that"},
            "chat_service": {"answering": False},
        }[table]


@pytest.mark.parametrize(("table", "operation", "role", "expected"), TABLE_CASES)
def test_tables(people: People, database: Connection, table: str, operation: str, role: str, expected: str) -> None:
    row = Row(people, database, table)
    client = client_of(people, role, row.chat)
    match operation:
        case "select":
            response = client.get(f"/{table}", params=row.filter)
        case "insert":
            response = client.post(f"/{table}", json=row.new)
        case "update":
            response = client.patch(f"/{table}", params=row.filter, json=row.change)
        case _:
            response = client.delete(f"/{table}", params=row.filter)
    assert outcome(response, role) == expected, response.text


@pytest.mark.parametrize(("function", "role", "expected"), FUNCTION_CASES)
def test_functions(people: People, database: Connection, function: str, role: str, expected: str) -> None:
    chat = people.make_chat()
    message = people.ask(chat)
    if function == "retry_reply":
        database.execute("update public.chat_replies set status = 'failed' where message_id = %s", [message])
    if function == "regenerate_reply":
        store_answer(database, chat, message, 1)
        database.execute("update public.chat_replies set status = 'cancelled' where message_id = %s", [message])
    fence = {"message_id": str(message), "worker_id": str(uuid4()), "attempt": 1}
    arguments = {
        "open_chat_session": {"post_analysis_id": str(chat.analysis)},
        "retry_reply": {"message_id": str(message)},
        "cancel_reply": {"message_id": str(message)},
        "regenerate_reply": {"message_id": str(message)},
        "chat_usage": {},
        "register_worker": {"worker_id": str(uuid4()), "alive_seconds": 0, "version": "test", "concurrency": 1},
        "claim_replies": {"worker_id": str(uuid4()), "claim": 1, "max_replies": 0},
        "beat": {
            "worker_id": str(uuid4()),
            "alive_seconds": 15,
            "claims_known": 0,
            "models_closed_seconds": None,
            "held": [],
            "attempts": [],
            "asking": [],
        },
        "give_back": {"worker_id": str(uuid4()), "replies": [], "due_in": 0},
        "save_drafts": {"worker_id": str(uuid4()), "pieces": []},
        "next_attempt": {**fence, "error_code": "internal", "call": {}},
        "complete_reply": {**fence, "content": "Because.", "finish_reason": "stop", "call": {}},
        "fail_reply": {**fence, "error_code": "internal", "retry_in": None, "call": {}},
        "release_replies": {"worker_id": str(uuid4())},
        # So patient that no queue which other tests left behind is too long: new questions would be refused then.
        "reconcile_replies": {"max_wait_seconds": 1e9, "every_seconds": 60},
        "measure_spend": {},
        "erase_broadcasts": {},
        "ops_queue": {},
        "ops_report": {},
        "check_installation": {"relations": [], "functions": []},
    }[function]
    response = client_of(people, role, chat).post(f"/rpc/{function}", json=arguments)
    # An empty list is an answer like any other here: a function has no row to hide.
    seen = outcome(response, role)
    assert seen.replace("none", "yes") == expected, response.text


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/reply_queue", {}),
        *((f"/{table}", {"accept-profile": "private"}) for table in PRIVATE),
        ("/rpc/is_error_code?code=internal", {}),
        ("/rpc/is_error_code?code=internal", {"accept-profile": "private"}),
    ],
)
def test_nobody_sees_the_private_schema(people: People, role: str, path: str, headers: dict[str, str]) -> None:
    client = client_of(people, role, people.make_chat())
    assert client.get(path, headers=headers).status_code in (401, 403, 404, 406)


def messages_of(database: Connection, chat: Chat) -> list[dict[str, Any]]:
    return database.execute(
        "select * from public.chat_messages where session_id = %s order by turn", [chat.session]
    ).fetchall()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("role", "assistant"),
        ("user_id", str(UUID(int=1))),
        ("turn", 7),
        ("version", 1),
        ("tokens_used", 1),
        ("model", "mine"),
        ("finish_reason", "stop"),
        ("created_at", "2020-01-01T00:00:00Z"),
        ("reply_to", "the question"),
    ],
)
def test_a_user_sets_nothing_but_the_question(
    people: People, database: Connection, column: str, value: object
) -> None:
    chat = people.make_chat()
    question = people.ask(chat)
    message = {"session_id": str(chat.session), "role": "user", "content": "Hello", column: value}
    if column == "reply_to":
        message[column] = str(question)
    response = people.signed_in(chat.user).post("/chat_messages", json=message)
    assert (response.status_code, response.json()["code"]) == (403, "42501")
    assert [each["id"] for each in messages_of(database, chat)] == [question]


def test_a_foreign_session_and_a_missing_one_look_the_same(people: People, database: Connection) -> None:
    chat, archived = people.make_chat(), people.make_chat()
    database.execute("update public.chat_sessions set status = 'archived' where id = %s", [archived.session])
    stranger = people.signed_in(people.make_user())

    def answer(session: object) -> tuple[int, str]:
        response = stranger.post("/chat_messages", json={"session_id": str(session), "content": "Hello"})
        return response.status_code, response.text

    missing = answer(uuid4())
    assert missing[0] == 403
    assert answer(chat.session) == missing
    assert answer(archived.session) == missing
    assert messages_of(database, chat) == []


def test_a_role_of_the_projects_own_learns_nothing_of_sessions_and_locks_none(
    people: People, database: Connection, database_url: str
) -> None:
    """Whoever the policies stop is a user, whatever the name of their role."""
    chat, archived = people.make_chat(), people.make_chat()
    database.execute("update public.chat_sessions set status = 'archived' where id = %s", [archived.session])
    question = people.ask(chat)

    def answer(host: psycopg.Connection[Any], session: UUID, replaces: UUID | None = None) -> tuple[str, str]:
        with pytest.raises(psycopg.Error) as refused, host.transaction():
            host.execute(
                "insert into public.chat_messages (session_id, content, replaces) values (%s, 'Hello', %s)",
                [session, replaces],
            )
        assert refused.value.sqlstate is not None
        return refused.value.sqlstate, str(refused.value)

    with psycopg.connect(database_url) as host:
        host.execute("create role member; grant member to current_user; grant usage on schema public to member")
        host.execute("grant insert (session_id, content, replaces) on public.chat_messages to member")
        host.execute("set local role member")
        missing = answer(host, uuid4())
        assert missing[0] == "42501"
        assert answer(host, archived.session) == missing
        with psycopg.connect(database_url, autocommit=True) as owner:
            owner.execute("begin")
            owner.execute("select from public.chat_sessions where id = %s for no key update", [chat.session])
            assert answer(host, chat.session, question) == missing  # and not 429 busy, after a wait for that lock
        host.rollback()


@pytest.mark.parametrize("table", ["chat_sessions", "chat_messages"])
def test_the_id_of_a_chat_is_never_chosen_and_a_used_one_is_refused(
    people: People, database: Connection, table: str
) -> None:
    """Whoever could take the id of a deleted chat would have its channel."""
    chat = people.make_chat()
    question = people.ask(chat)
    people.signed_in(chat.user).delete("/chat_sessions", params={"id": f"eq.{chat.session}"}).raise_for_status()
    stranger = people.make_chat()
    client = people.signed_in(stranger.user)
    if table == "chat_sessions":
        _, analysis = people.make_analysis(stranger.user)
        taken = {"id": str(chat.session), "post_analysis_id": str(analysis)}
        response = client.post("/chat_sessions", json=taken)
        assert (response.status_code, response.json()["code"]) == (403, "42501")
        # Nor by hand, or in a restored backup.
        with pytest.raises(psycopg.errors.UniqueViolation, match="used before"):
            database.execute(
                "insert into public.chat_sessions (id, user_id, post_analysis_id) values (%s, %s, %s)",
                [chat.session, stranger.user.id, analysis],
            )
    else:
        taken = {"id": str(question), "session_id": str(stranger.session), "content": "Hello"}
        response = client.post("/chat_messages", json=taken)
        assert (response.status_code, response.json()["code"]) == (409, "23505")
        assert messages_of(database, stranger) == []


def test_a_foreign_analysis_and_a_missing_one_look_the_same(people: People) -> None:
    user = people.make_user()
    _, unopened = people.make_analysis(user)
    opened = people.make_chat(user).analysis
    stranger = people.signed_in(people.make_user())

    def answer(analysis: object) -> tuple[int, str]:
        response = stranger.post("/chat_sessions", json={"post_analysis_id": str(analysis)})
        return response.status_code, response.text

    missing = answer(uuid4())
    assert missing[0] == 403
    assert answer(unopened) == missing
    assert answer(opened) == missing


def test_open_chat_session_opens_once(people: People) -> None:
    user = people.make_user()
    _, analysis = people.make_analysis(user)
    client = people.signed_in(user)
    first, second = (
        client.post("/rpc/open_chat_session", json={"post_analysis_id": str(analysis)}).json() for _ in range(2)
    )
    assert first == second
    assert (first["user_id"], first["post_analysis_id"]) == (str(user.id), str(analysis))


@pytest.mark.parametrize(
    ("content", "check"),
    [
        ("", "user_message_is_1_to_4000_characters"),
        ("x" * 4001, "user_message_is_1_to_4000_characters"),
        (" \n\t ", "user_message_is_not_blank"),
        ("\u200b\u00a0\u2060\u3164\ufeff\U000e0020", "user_message_is_not_blank"),
    ],
    ids=["empty", "4001 characters", "blank", "without width"],
)
def test_questions_that_are_none(people: People, database: Connection, content: str, check: str) -> None:
    chat = people.make_chat()
    response = people.signed_in(chat.user).post(
        "/chat_messages", json={"session_id": str(chat.session), "content": content}
    )
    assert (response.status_code, response.json()["code"]) == (400, "23514")
    assert check in response.json()["message"]
    assert messages_of(database, chat) == []


def test_the_database_sees_as_blank_what_the_http_endpoints_do(people: People, database: Connection) -> None:
    """Each end of each range of such characters, and what stands beside it."""
    codes = [int(found[2:], 16) for found in re.findall(r"\\[uU][0-9a-f]+", BLANKS)]
    beside = {code + step for code in codes for step in (-1, 0, 1)} - {0}
    chat, stored = people.make_chat(), {}
    for code in beside:
        with suppress(psycopg.errors.CheckViolation), database.transaction(force_rollback=True):
            stored[code] = False
            database.execute(
                "insert into public.chat_messages (session_id, content) values (%s, %s)", [chat.session, chr(code)]
            )
            stored[code] = True
    assert stored == {code: not is_blank(chr(code)) for code in beside}


def test_4000_characters_are_a_question(people: People) -> None:
    chat = people.make_chat()
    response = people.signed_in(chat.user).post(
        "/chat_messages", json={"session_id": str(chat.session), "content": "é" * 4000}
    )
    assert response.status_code == 201


def test_an_archived_session_takes_no_questions_until_it_is_reopened(people: People) -> None:
    chat = people.make_chat()
    client = people.signed_in(chat.user)
    session, message = {"id": f"eq.{chat.session}"}, {"session_id": str(chat.session), "content": "Hello"}
    client.patch("/chat_sessions", params=session, json={"status": "archived"})
    refused = client.post("/chat_messages", json=message)
    assert (refused.status_code, refused.json()["hint"]) == (409, "session_archived")
    client.patch("/chat_sessions", params=session, json={"status": "active"})
    assert client.post("/chat_messages", json=message).status_code == 201


def test_the_21st_unfinished_question_is_refused(people: People, database: Connection) -> None:
    chat = people.make_chat()
    client = people.signed_in(chat.user)
    message = {"session_id": str(chat.session), "content": "Hello"}

    bulk = client.post("/chat_messages", json=[message] * 21)
    assert (bulk.status_code, bulk.json()["hint"]) == (429, "too_many_pending")
    assert messages_of(database, chat) == []

    assert client.post("/chat_messages", json=[message] * 20).status_code == 201
    single = client.post("/chat_messages", json=message)
    assert (single.status_code, single.json()["hint"]) == (429, "too_many_pending")
    assert [each["turn"] for each in messages_of(database, chat)] == list(range(1, 21))


def test_the_101st_unfinished_question_of_a_user_is_refused(people: People) -> None:
    user = people.make_user()
    client = people.signed_in(user)
    for _ in range(5):
        message = {"session_id": str(people.make_chat(user).session), "content": "Hello"}
        assert client.post("/chat_messages", json=[message] * 20).status_code == 201
    one_more = {"session_id": str(people.make_chat(user).session), "content": "Hello"}
    refused = client.post("/chat_messages", json=one_more)
    assert (refused.status_code, refused.json()["hint"]) == (429, "too_many_pending")


@pytest.mark.parametrize("archived", [False, True])
def test_sending_again_is_harmless(people: People, database: Connection, archived: bool) -> None:
    chat = people.make_chat()
    client = people.signed_in(chat.user)
    message = {"id": str(uuid4()), "session_id": str(chat.session), "role": "user", "content": "Hello"}

    def send() -> int:
        return client.post(
            "/chat_messages",
            params={"on_conflict": "id"},
            headers={"prefer": "resolution=ignore-duplicates"},
            json=message,
        ).status_code

    assert send() == 201
    if archived:
        database.execute("update public.chat_sessions set status = 'archived' where id = %s", [chat.session])
    assert send() in (200, 201)
    assert [each["turn"] for each in messages_of(database, chat)] == [1]
    session = database.execute("select last_turn from public.chat_sessions where id = %s", [chat.session])
    assert session.fetchone() == {"last_turn": 1}


def test_a_draft_is_read_by_its_owner_alone_also_embedded_in_its_reply(people: People, database: Connection) -> None:
    row = Row(people, database, "chat_reply_drafts")
    owner, other = people.signed_in(row.chat.user), people.signed_in(people.make_user())
    [draft] = owner.get("/chat_reply_drafts", params=row.filter).json()
    assert (draft["message_id"], draft["session_id"]) == (str(row.message), str(row.chat.session))
    assert (draft["user_id"], draft["attempt"], draft["content"]) == (str(row.chat.user.id), 0, "Beca")
    embedded = {**row.filter, "select": "message_id,draft:chat_reply_drafts(attempt,content)"}
    assert owner.get("/chat_replies", params=embedded).json() == [
        {"message_id": str(row.message), "draft": {"attempt": 0, "content": "Beca"}}
    ]
    assert other.get("/chat_replies", params=embedded).json() == []
    assert other.get("/chat_reply_drafts").json() == []


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
