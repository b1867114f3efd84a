"""The checks of a binding against the catalogue, when a channel subscribes to row changes."""

import re

import psycopg

from worker.local.realtime import rows
from worker.local.realtime.bindings import Binding, BindingError
from worker.local.realtime.database import Connection
from worker.local.realtime.filters import MOST_VALUES, Filter
from worker.local.realtime.rows import Table

REFUSED = "Unable to subscribe to changes with given parameters."


async def check(connection: Connection, binding: Binding, role: str) -> None:
    """Raises BindingError, as the client is told it."""
    tables = await rows.published_tables(connection, binding.schema, binding.table, role)
    if not tables:
        raise BindingError(f"{REFUSED} Please check Realtime is enabled for the given connect parameters: {binding}")
    try:
        for table in tables:
            for condition in binding.filters:
                await _check_condition(connection, table, condition, role)
    except _ConditionError as error:
        raise BindingError(
            f"{REFUSED} An exception happened so please check your connect parameters: {binding}."
            f" Exception: ERROR {error}"
        ) from error


class _ConditionError(Exception):
    """The message is SQLSTATE, its name and a sentence, as Postgres would say it."""


async def _check_condition(connection: Connection, table: Table, condition: Filter, role: str) -> None:
    column = table.column(condition.column)
    if column is None or role not in column.readable_by:
        raise _ConditionError(f"P0001 (raise_exception) invalid column for filter {condition.column}")
    if len(condition.values) > MOST_VALUES:
        raise _ConditionError(f"P0001 (raise_exception) too many values for `in` filter. Maximum {MOST_VALUES}")
    for value in condition.values:
        try:
            await rows.check_cast(connection, column, value)
        except psycopg.DataError as error:
            name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
            raise _ConditionError(f"{error.sqlstate} ({name}) {error.diag.message_primary}") from error
