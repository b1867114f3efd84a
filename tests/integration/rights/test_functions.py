"""Who may call which function, asked of the REST API as a browser would.

Words of the table below, in the order anon, owner, another user, service:
yes: done; no: refused with 42501 (401 for anon, else 403); a number: that HTTP status.
"""

from uuid import uuid4

import pytest

from tests.support.chat_rows import store_answer
from tests.support.database import Connection
from tests.support.people import People
from tests.support.roles import ROLES, client_of, outcome

PRIVATE = (
    *("reply_queue", "workers", "draft_pieces", "used_ids", "erasures", "served_places", "reconciler"),
    *("spend", "refusals"),
    *("uncounted_calls", "uncounted_replies", "call_counts", "reply_counts", "user_day_counts"),
    *("usage_asked", "usage_spent"),
)
# fmt: off
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

FUNCTION_CASES = [
    pytest.param(function, role, expected, id=f"{function}-{role}")
    for function, row in FUNCTIONS.items()
    for role, expected in zip(ROLES, row.split(), strict=True)
]


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
