"""Queries on changed rows: their values as JSON, which filters hold, and who may see them."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from worker.local.realtime.authorization import Identity, take_claims
from worker.local.realtime.database import Connection, rolled_back
from worker.local.realtime.filters import Filter
from worker.local.realtime.pgoutput import Row


@dataclass(frozen=True)
class Column:
    number: int
    name: str
    type_name: str  # pg_type.typname, which clients convert by
    cast: str  # the type as it is written in SQL
    in_primary_key: bool
    readable_by: frozenset[str]  # of the roles in the query


@dataclass(frozen=True)
class Table:
    oid: int
    schema: str
    name: str
    has_rls: bool
    columns: tuple[Column, ...]

    @property
    def primary_key(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.in_primary_key)

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True)
class Evaluated:
    """A row, evaluated by Postgres. `values`: column → JSON text, without absent columns; `holds`: filter → bool."""

    values: dict[str, str]
    holds: dict[Filter, bool]


TABLES = """
select c.oid::bigint, n.nspname, c.relname, c.relrowsecurity,
       a.attnum, a.attname, t.typname, format_type(a.atttypid, -1),
       coalesce(a.attnum = any(pk.conkey), false),
       array(select r.rolname::text from pg_roles r
             where r.rolname = any(%(roles)s)
               and has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT'))
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
left join pg_constraint pk on pk.conrelid = c.oid and pk.contype = 'p'
where {which}
order by n.nspname, c.relname, a.attnum
"""
BY_OID = TABLES.format(which="c.oid = %(oid)s")
PUBLISHED = TABLES.format(
    which="""(n.nspname, c.relname) in (
        select p.schemaname, p.tablename from pg_publication_tables p
        where p.pubname = 'supabase_realtime'
          and p.schemaname like %(schema)s escape '' and p.tablename like %(table)s escape '')"""
)


async def table_by_oid(connection: Connection, oid: int, roles: Sequence[str]) -> Table | None:
    tables = await _tables(connection, BY_OID, {"oid": oid, "roles": list(roles)})
    return tables[0] if tables else None


async def published_tables(connection: Connection, schema: str, table: str, role: str) -> list[Table]:
    """The published tables that a binding covers.

    `*` is any name; others are LIKE patterns without an escape character (2.129.8,
    lib/extensions/postgres_cdc_rls/subscriptions.ex).
    """
    patterns = {name: "%" if given == "*" else given for name, given in (("schema", schema), ("table", table))}
    return await _tables(connection, PUBLISHED, {**patterns, "roles": [role]})


async def _tables(connection: Connection, query: str, parameters: dict[str, object]) -> list[Table]:
    found = await (await connection.execute(query.encode(), parameters)).fetchall()
    tables: dict[tuple[int, str, str, bool], list[Column]] = {}
    for oid, schema, name, has_rls, number, column, type_name, cast, in_key, roles in found:
        columns = tables.setdefault((oid, schema, name, has_rls), [])
        columns.append(Column(number, column, type_name, cast, in_key, frozenset(roles)))
    return [Table(*key, columns=tuple(columns)) for key, columns in tables.items()]


async def evaluate(
    connection: Connection, table: Table, rows: Sequence[Row], conditions: Sequence[Filter]
) -> list[Evaluated]:
    """Evaluate all rows in one query. A condition that is null, or on an absent column, does not hold."""
    columns = [column for column in table.columns if any(column.name in row for row in rows)]
    usable = [(column, c) for c in conditions for column in columns if column.name == c.column]
    if not columns:
        return [Evaluated({}, dict.fromkeys(conditions, False)) for _ in rows]
    outputs = [_json(column) for column in columns]
    outputs += [_condition(column, condition) for column, condition in usable]
    query = sql.SQL("select {} from {} order by v.n").format(sql.SQL(", ").join(outputs), _values(columns))
    parameters: list[object] = [value for _, condition in usable for value in condition.parameters]
    parameters += [[row.get(column.name) for row in rows] for column in columns]
    found = await (await connection.execute(query, parameters)).fetchall()
    return [
        Evaluated(
            values={
                column.name: "null" if value is None else str(value)
                for column, value in zip(columns, answer, strict=False)
                if column.name in row
            },
            holds=dict.fromkeys(conditions, False)
            | {c: bool(held) for (_, c), held in zip(usable, answer[len(columns) :], strict=True)},
        )
        for row, answer in zip(rows, found, strict=True)
    ]


async def check_cast(connection: Connection, column: Column, condition: Filter) -> None:
    """Raises psycopg.DataError if the value cannot be cast to the column's type."""
    what = "{values}" if condition.operator == "in" else "{value}"
    await connection.execute(sql.SQL("select " + what).format(**_value(column)), condition.parameters)


async def array_length(connection: Connection, column: Column, value: str) -> int:
    """Raises psycopg.DataError if the text cannot be cast to an array of the column's type."""
    query = sql.SQL("select coalesce(cardinality({values}), 0)").format(**_value(column))
    return int((await (await connection.execute(query, (value,))).fetchone() or (0,))[0])


async def has_pattern_operator(connection: Connection, column: Column, operator: str) -> bool:
    """Whether the type has `~~` (for like and ilike), or `~` or `~*` between two values of it (match, imatch)."""
    query = """
        select exists (
            select from pg_operator
            where oprname = %(symbol)s and oprleft = %(type)s::regtype
                and (%(symbol)s = '~~' or oprright = oprleft and oprresult = 'boolean'::regtype))"""
    symbol = {"match": "~", "imatch": "~*"}.get(operator, "~~")
    found = await (await connection.execute(query, {"symbol": symbol, "type": column.cast})).fetchone()
    return bool(found and found[0])


async def check_expression(connection: Connection, expression: str) -> None:
    """Raises psycopg.errors.InvalidRegularExpression if it is not valid."""
    await connection.execute("select '' ~ %s::text", (expression,))


async def published_oids(connection: Connection) -> frozenset[int]:
    found = await connection.execute(
        "select format('%I.%I', schemaname, tablename)::regclass::oid::bigint from pg_publication_tables"
        " where pubname = 'supabase_realtime'"
    )
    return frozenset(oid for (oid,) in await found.fetchall())


async def visible(connection: Connection, table: Table, rows: Sequence[Row], identity: Identity) -> list[bool]:
    """For each row, by its primary key: whether this identity can select it from the table now."""
    key = table.primary_key
    # A lateral join, row by row: a plain join may evaluate the policy for all rows, also those on which it fails.
    query = sql.SQL("select v.n from {}, lateral (select 1 from {} as t where {} limit 1) as seen").format(
        _values(key),
        sql.Identifier(table.schema, table.name),
        sql.SQL(" and ").join(
            sql.SQL("t.{} = {}").format(sql.Identifier(column.name), _typed(column)) for column in key
        ),
    )
    async with rolled_back(connection):
        await take_claims(connection, identity)
        answer = await connection.execute(query, [[row.get(column.name) for row in rows] for column in key])
        seen = {number for (number,) in await answer.fetchall()}
    return [number in seen for number in range(1, len(rows) + 1)]


def _values(columns: Sequence[Column]) -> sql.Composed:
    """The rows as a table `v`: a text array per column, and the row's number `n`, from 1."""
    return sql.SQL("unnest({}) with ordinality as v({}, n)").format(
        sql.SQL(", ").join(sql.SQL("%s::text[]") for _ in columns),
        sql.SQL(", ").join(_name(column) for column in columns),
    )


def _condition(column: Column, condition: Filter) -> sql.Composed:
    held = sql.SQL(condition.sql).format(column=_typed(column), **_value(column))
    return sql.SQL("coalesce({}, false)").format(held)


def _value(column: Column) -> dict[str, sql.Composed]:
    """A parameter, cast to the column's type, and to an array of it."""
    value = sql.SQL("%s::text::{}").format(_type(column))
    return {"value": value, "values": value + sql.SQL("[]")}


def _json(column: Column) -> sql.Composed:
    value = _typed(column)
    if column.type_name == "bytea":
        value = sql.SQL("encode({}, 'hex')").format(value)  # the server sends it without Postgres' prefix \\x
    return sql.SQL("to_jsonb({})::text").format(value)


def _typed(column: Column) -> sql.Composed:
    return sql.SQL("v.{}::{}").format(_name(column), _type(column))


def _name(column: Column) -> sql.Identifier:
    return sql.Identifier(f"c{column.number}")


def _type(column: Column) -> sql.SQL:
    return sql.SQL(column.cast)  # Postgres' own spelling, quoted where it must be
