"""Which subscribers get which changes of one table: filters, column privileges and row-level security."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from worker.local.realtime import change_payload, rows
from worker.local.realtime.authorization import Identity
from worker.local.realtime.bindings import Binding
from worker.local.realtime.change_payload import EvaluatedChange
from worker.local.realtime.database import Connection
from worker.local.realtime.filters import Filter
from worker.local.realtime.pgoutput import Change
from worker.local.realtime.rows import Table


class Subscriber(Protocol):
    """The part of a channel that row changes use."""

    is_open: bool

    @property
    def identity(self) -> Identity: ...

    @property
    def bindings(self) -> Sequence[Mapping[str, Any]]: ...

    def show_change(self, ids: Sequence[int], data: str) -> None: ...

    def subscribe_again(self, *, at_once: bool) -> None: ...


@dataclass(frozen=True)
class Subscription:
    """A channel's bindings and its identity at the time of the subscription: later tokens do not change it."""

    subscriber: Subscriber
    identity: Identity
    bindings: Sequence[tuple[Binding, frozenset[int]]]  # each with the oids of its tables
    published: frozenset[int]  # all tables of the publication

    def covers(self, oid: int) -> bool:
        return any(oid in tables for _, tables in self.bindings)

    def of_table(self, oid: int) -> list[Binding]:
        return [binding for binding, tables in self.bindings if oid in tables]


Select = tuple[str, ...] | None
Event = tuple[Subscriber, list[int], str]  # subscriber, ids of the bindings that match, and the data as JSON
# Bindings that select the same columns share a frame: their ids, by subscription and selection.
Matches = dict[tuple[Subscriber, Select], tuple[Identity, list[int]]]


async def events_of(
    connection: Connection, subscriptions: Iterable[Subscription], changes: Sequence[Change]
) -> list[list[Event]]:
    """The events for each of these changes of one table. Raises psycopg.Error if a policy or filter fails."""
    oid = changes[0].relation.oid
    interested = [subscription for subscription in subscriptions if subscription.covers(oid)]
    roles = sorted({subscription.identity.role for subscription in interested})
    table = await rows.table_by_oid(connection, oid, roles)
    if table is None:  # dropped meanwhile
        return [[] for _ in changes]
    bindings = chain.from_iterable(subscription.of_table(oid) for subscription in interested)
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


def _matches(evaluated: EvaluatedChange, table: Table, interested: Iterable[Subscription]) -> Matches:
    matches: Matches = {}
    for subscription in interested:
        refused = change_payload.refusal(table, evaluated.change, subscription.identity.role)
        for binding in subscription.of_table(table.oid):
            if binding.wants(evaluated.change.operation) and (refused or evaluated.fits(binding.filters)):
                who = subscription.subscriber, binding.select
                matches.setdefault(who, (subscription.identity, []))[1].append(binding.id)
    return matches


async def _allowed(
    connection: Connection, table: Table, evaluated: Sequence[EvaluatedChange], matched: Sequence[Matches]
) -> list[set[str]]:
    """For each change, the claims that may see the row under row-level security; one query for each claims."""
    allowed: list[set[str]] = [set() for _ in evaluated]
    questions: dict[str, tuple[Identity, list[int]]] = {}
    for index, matches in enumerate(matched):
        change = evaluated[index].change
        for identity in {each.claims_json: each for each, _ in matches.values()}.values():
            if not table.has_rls or change.operation == "DELETE":
                allowed[index].add(identity.claims_json)
            elif change_payload.refusal(table, change, identity.role) is None:
                questions.setdefault(identity.claims_json, (identity, []))[1].append(index)
    for claims, (identity, indexes) in questions.items():
        keys = [evaluated[index].change.new or {} for index in indexes]
        visible = await rows.visible(connection, table, keys, identity)
        for index, is_visible in zip(indexes, visible, strict=True):
            if is_visible:
                allowed[index].add(claims)
    return allowed


def _shown(table: Table, evaluated: EvaluatedChange, matches: Matches, allowed: set[str]) -> list[Event]:
    data: dict[tuple[str, Select], str] = {}
    shown: list[Event] = []
    for (subscriber, select), (identity, ids) in matches.items():
        error = change_payload.refusal(table, evaluated.change, identity.role)
        if error is None and identity.claims_json not in allowed:
            continue
        group = identity.role, select
        if group not in data:
            data[group] = (
                change_payload.refused(table, evaluated.change, error)
                if error
                else change_payload.shown(table, evaluated, identity.role, select)
            )
        shown.append((subscriber, ids, data[group]))
    return shown
