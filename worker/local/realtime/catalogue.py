"""Checks a binding against the database's catalogue when a channel subscribes to row changes, with
the checks of `realtime.subscription_check_filters()` in 2.129.8 (lib/realtime/tenants/repo/migrations/).
"""

import re
from collections.abc import Sequence

import psycopg

from worker.local.realtime import rows
from worker.local.realtime.bindings import Binding, BindingError
from worker.local.realtime.database import Connection
from worker.local.realtime.filters import EXPRESSIONS, KEYWORDS, PATTERNS, Filter
from worker.local.realtime.rows import Column, Table

REFUSED = "Unable to subscribe to changes with given parameters."
MOST_VALUES = 100  # of one `in`


async def tables_of(connection: Connection, binding: Binding, role: str) -> frozenset[int]:
    """Oids of the published tables that the binding covers. Raises BindingError, with a message for the client."""
    try:
        tables = await rows.published_tables(connection, binding.schema, binding.table, role)
        for table in tables:
            for condition in binding.filters:
                await _check_condition(connection, table, condition, role)
            _check_select(table, binding.select or (), role)
    except _ConditionError as error:
        raise _exception(binding, str(error)) from error
    except psycopg.OperationalError:
        raise  # not caused by the binding
    except psycopg.Error as error:
        raise _exception(binding, _as_postgres_says_it(error)) from error
    if not tables:
        raise BindingError(f"{REFUSED} Please check Realtime is enabled for the given connect parameters: {binding}")
    return frozenset(table.oid for table in tables)


def _exception(binding: Binding, message: str) -> BindingError:
    return BindingError(
        f"{REFUSED} An exception happened so please check your connect parameters: {binding}."
        f" Exception: ERROR {message}"
    )


def _as_postgres_says_it(error: psycopg.Error) -> str:
    if error.sqlstate is None:  # a NUL, which psycopg itself refuses
        return '22021 (character_not_in_repertoire) invalid byte sequence for encoding "UTF8": 0x00'
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
    return f"{error.sqlstate} ({name}) {error.diag.message_primary}"


class _ConditionError(Exception):
    """The message: SQLSTATE, its name and a sentence, as in an error of Postgres."""


def _raised(message: str) -> _ConditionError:
    return _ConditionError(f"P0001 (raise_exception) {message}")


def _check_select(table: Table, columns: Sequence[str], role: str) -> None:
    for name in columns:
        if _readable(table, name, role) is None:
            raise _raised(f"invalid column for select {name}")


async def _check_condition(connection: Connection, table: Table, condition: Filter, role: str) -> None:
    column = _readable(table, condition.column, role)
    if column is None:
        raise _raised(f"invalid column for filter {condition.column}")
    if condition.operator == "is":
        return _check_keyword(column, condition.value)
    if condition.operator in PATTERNS:
        return await _check_pattern(connection, column, condition)
    # Not checked: whether the operator exists for the type. If not, delivery fails when a row changes.
    if condition.operator == "in" and await rows.array_length(connection, column, condition.value) > MOST_VALUES:
        raise _raised(f"too many values for `in` filter. Maximum {MOST_VALUES}")
    await rows.check_cast(connection, column, condition)


async def _check_pattern(connection: Connection, column: Column, condition: Filter) -> None:
    """By pg_operator, in which `varchar` has no operators of its own, and `bytea` has one for `like`."""
    if not await rows.has_pattern_operator(connection, column, condition.operator):
        raise _raised(f"operator {condition.operator} requires a text-compatible column type, got {column.cast}")
    if condition.operator in EXPRESSIONS:
        try:
            await rows.check_expression(connection, condition.value)
        except psycopg.errors.InvalidRegularExpression as error:
            said = f"invalid regular expression for {condition.operator} filter: {error.diag.message_primary}"
            raise _raised(said) from error


def _check_keyword(column: Column, keyword: str) -> None:
    if keyword not in KEYWORDS:
        raise _raised("invalid value for is filter: must be null, true, false, or unknown")
    if keyword != "null" and column.type_name != "bool":
        raise _raised(f"is {keyword} filter requires a boolean column, got {column.cast}")


def _readable(table: Table, name: str, role: str) -> Column | None:
    column = table.column(name)
    return column if column is not None and role in column.readable_by else None
