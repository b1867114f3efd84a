"""Who is shown which changes of one table, and how: filters, column grants and row-level security."""

import logging
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Protocol

import psycopg

from worker.local.realtime import events, rows
from worker.local.realtime.authorization import Identity
from worker.local.realtime.bindings import Binding
from worker.local.realtime.database import Connection
from worker.local.realtime.events import EvaluatedChange
from worker.local.realtime.filters import Filter
from worker.local.realtime.pgoutput import Change, Row
from worker.local.realtime.rows import Table

logger = logging.getLogger(__name__)


class Subscriber(Protocol):
    """A channel, as row changes know it."""

    topic: str
    identity: Identity
    is_open: bool

    @property
    def bindings(self) -> Sequence[Mapping[str, Any]]: ...

    def show_change(self, ids: Sequence[int], data: str) -> None: ...

    def push_system(self, status: str, message: str, extension: str = ...) -> None: ...


Event = tuple[Subscriber, list[int], str]  # who, by which bindings, and the data as JSON
Interested = Mapping[Subscriber, Sequence[Binding]]
Matches = dict[Subscriber, list[int]]  # ids of the bindings that a change fits


async def events_of(
    connection: Connection, subscriptions: Interested, changes: Sequence[Change]
) -> list[list[Event]]:
    """For each of these changes of one table, who is shown what."""
    relation = changes[0].relation
    interested = {
        subscriber: [b for b in wanted if b.covers(relation.schema, relation.table)]
        for subscriber, wanted in subscriptions.items()
    }
    roles = sorted({subscriber.identity.role for subscriber in interested})
    table = await rows.table_by_oid(connection, relation.oid, roles)
    if table is None:  # dropped since
        return [[] for _ in changes]
    bindings = chain.from_iterable(interested.values())
    conditions = list(dict.fromkeys(chain.from_iterable(binding.filters for binding in bindings)))
    evaluated = await _evaluate(connection, table, changes, conditions)
    matched = [_matches(each, table, interested) for each in evaluated]
    allowed = await _allowed(connection, table, evaluated, matched)
    return [
        _shown(table, each, matches, claims)
        for each, matches, claims in zip(evaluated, matched, allowed, strict=True)
    ]


async def _evaluate(
    connection: Connection, table: Table, changes: Sequence[Change], conditions: Sequence[Filter]
) -> list[EvaluatedChange]:
    images = [row for change in changes for row in (change.new, change.old) if row is not None]
    answers = iter(await rows.evaluate(connection, table, images, conditions))
    return [
        EvaluatedChange(
            change,
            new=next(answers) if change.new is not None else None,
            old=next(answers) if change.old is not None else None,
        )
        for change in changes
    ]


def _matches(evaluated: EvaluatedChange, table: Table, interested: Interested) -> Matches:
    matches: Matches = {}
    for subscriber, wanted in interested.items():
        refused = events.refusal(table, evaluated.change, subscriber.identity.role)
        ids = [
            binding.id
            for binding in wanted
            if binding.wants(evaluated.change.operation) and (refused or evaluated.fits(binding.filters))
        ]
        if ids:
            matches[subscriber] = ids
    return matches


async def _allowed(
    connection: Connection, table: Table, evaluated: Sequence[EvaluatedChange], matched: Sequence[Matches]
) -> list[set[str]]:
    """For each change, the claims that row-level security lets see it; asked once per claims."""
    allowed: list[set[str]] = [set() for _ in evaluated]
    questions: dict[str, tuple[Identity, list[int]]] = {}
    for index, matches in enumerate(matched):
        change = evaluated[index].change
        for identity in {s.identity.claims_json: s.identity for s in matches}.values():
            if not table.has_rls or change.operation == "DELETE":
                allowed[index].add(identity.claims_json)
            elif events.refusal(table, change, identity.role) is None:
                questions.setdefault(identity.claims_json, (identity, []))[1].append(index)
    for claims, (identity, indexes) in questions.items():
        keys = [evaluated[index].change.new or {} for index in indexes]
        visible = await _visible(connection, table, keys, identity)
        for index, is_visible in zip(indexes, visible, strict=True):
            if is_visible:
                allowed[index].add(claims)
    return allowed


async def _visible(connection: Connection, table: Table, keys: Sequence[Row], identity: Identity) -> list[bool]:
    """A row that the policy fails on is seen by nobody, and keeps no other row from being seen."""
    try:
        return await rows.visible(connection, table, keys, identity)
    except psycopg.Error as error:
        if connection.broken:
            raise
        if len(keys) > 1:
            return [(await _visible(connection, table, [key], identity))[0] for key in keys]
        logger.warning("policy failed: %s.%s (%s)", table.schema, table.name, error.sqlstate)
        return [False]


def _shown(table: Table, evaluated: EvaluatedChange, matches: Matches, allowed: set[str]) -> list[Event]:
    data: dict[str, str] = {}
    shown: list[Event] = []
    for subscriber, ids in matches.items():
        role = subscriber.identity.role
        error = events.refusal(table, evaluated.change, role)
        if error is None and subscriber.identity.claims_json not in allowed:
            continue
        if role not in data:
            data[role] = (
                events.refused(table, evaluated.change, error) if error else events.shown(table, evaluated, role)
            )
        shown.append((subscriber, ids, data[role]))
    return shown
