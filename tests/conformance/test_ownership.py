"""What the operator may do with Realtime's own schema: its policies, and nothing else.

As on a hosted project since the summer of 2026: supabase/realtime PR #1993 (the schema is restricted),
supabase/cli issues #5987 and #6116 (what is refused there).
"""

import psycopg
import pytest

from tests.support.realtime_fixtures import Connection

REFUSED = {
    "a comment on a policy": "comment on policy theirs on realtime.messages is 'x'",
    "a comment on the table": "comment on table realtime.messages is 'x'",
    "row-level security": "alter table realtime.messages disable row level security",
    "a column": "alter table realtime.messages add column more int",
    "another owner": "alter table realtime.messages owner to postgres",
    "an index": "create index on realtime.messages (event)",
    "a function": "create function realtime.mine() returns int language sql return 1",
    "a table": "create table realtime.mine (id int)",
    "another body": "create or replace function realtime.topic() returns text language sql return ''",
    "the end of the table": "drop table realtime.messages cascade",
    "the end of a function": "drop function realtime.send_binary(bytea, text, text, boolean)",
    "its owner's role": "set local role supabase_realtime_admin",
}


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
def test_the_operator_owns_nothing_of_realtimes(database: Connection, statement: str) -> None:
    with database.transaction(force_rollback=True):
        database.execute("create policy theirs on realtime.messages for select using (true)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.execute(statement.encode())


def test_the_operator_writes_policies_and_deletes_messages(database: Connection) -> None:
    with database.transaction(force_rollback=True):
        database.execute("create policy mine on realtime.messages for select to anon using (true)")
        database.execute("alter policy mine on realtime.messages using (false)")
        database.execute("drop policy mine on realtime.messages")
        database.execute("grant select, insert on realtime.messages to anon")
        database.execute("select realtime.send('{}', 'e', 'gone')")
        assert database.execute("delete from realtime.messages where topic = 'gone'").rowcount == 1


def test_everything_in_the_schema_belongs_to_realtimes_own_role(database: Connection) -> None:
    owners = database.execute(
        "select distinct relowner::regrole::text from pg_class where relnamespace = 'realtime'::regnamespace"
    ).fetchall()
    assert owners == [("supabase_realtime_admin",)]
