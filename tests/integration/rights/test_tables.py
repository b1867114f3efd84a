"""Who may do what with which table, asked of the REST API as a browser would.

Words of the table below, in the order anon, owner, another user, service:
yes: done; none: allowed, and it finds nothing; no: refused with 42501 (401 for anon, else 403);
a number: that HTTP status.
"""

import pytest

from tests.support.database import Connection
from tests.support.every_table import Row
from tests.support.people import People
from tests.support.roles import ROLES, client_of, outcome

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
# fmt: on

TABLE_CASES = [
    pytest.param(table, operation, role, expected, id=f"{table}-{operation}-{role}")
    for table, operations in TABLES.items()
    for operation, row in zip(("select", "insert", "update", "delete"), operations, strict=True)
    for role, expected in zip(ROLES, row.split(), strict=True)
]


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
