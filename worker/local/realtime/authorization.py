"""Private channels: the policies on realtime.messages decide, asked with rows that never stay."""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import psycopg

from worker.local.realtime import json_text
from worker.local.realtime.database import Connection, Database, rolled_back
from worker.local.realtime.tokens import Claims

logger = logging.getLogger(__name__)

BROADCAST = "broadcast"
PRESENCE = "presence"


@dataclass(frozen=True)
class Identity:
    """Whom a channel or a request acts for, as Postgres is told."""

    claims: Claims
    headers: Mapping[str, str] = field(default_factory=dict)  # the handshake's x-* headers

    @property
    def role(self) -> str:
        return str(self.claims["role"])

    @cached_property
    def claims_json(self) -> str:
        return json_text.dumps(dict(self.claims))


class PolicyTimeout(Exception):
    """A policy took longer than a statement may."""


@dataclass(frozen=True)
class ReadPolicies:
    broadcast: bool = False
    presence: bool | None = False  # None: not asked yet

    @property
    def any(self) -> bool:
        return self.broadcast or bool(self.presence)

    def lost_since(self, before: "ReadPolicies") -> bool:
        return (before.broadcast and not self.broadcast) or (before.presence is True and self.presence is False)


PUBLIC = ReadPolicies(broadcast=True, presence=True)


class Authorization:
    """Raises DatabaseAway or PolicyTimeout; a policy that raises, or a role that does not exist, is a denial."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_policies(self, identity: Identity, topic: str, *, with_presence: bool) -> ReadPolicies:
        probes = {BROADCAST: uuid.uuid4()} | ({PRESENCE: uuid.uuid4()} if with_presence else {})
        try:
            async with self._database.connection() as connection, rolled_back(connection):
                for extension, probe in probes.items():
                    await connection.execute(
                        "insert into realtime.messages (id, topic, extension) values (%s, %s, %s)",
                        (probe, topic, extension),
                    )
                await _become(connection, identity, topic)
                found = await connection.execute(
                    "select id from realtime.messages where topic = %s and id = any(%s)",
                    (topic, list(probes.values())),
                )
                visible = {row[0] for row in await found.fetchall()}
        except psycopg.errors.QueryCanceled as error:
            raise PolicyTimeout(error.diag.message_primary) from error
        except psycopg.Error as error:
            _log_denial("read", topic, error)
            return ReadPolicies()
        return ReadPolicies(
            broadcast=probes[BROADCAST] in visible,
            presence=probes[PRESENCE] in visible if with_presence else None,
        )

    async def may_write(self, identity: Identity, topic: str, extension: str = BROADCAST) -> bool:
        try:
            async with self._database.connection() as connection, rolled_back(connection):
                await _become(connection, identity, topic)
                await connection.execute(
                    "insert into realtime.messages (topic, extension) values (%s, %s)",
                    (topic, extension),
                )
        except psycopg.errors.InsufficientPrivilege:
            return False
        except psycopg.Error as error:
            _log_denial("write", topic, error)
            return False
        return True


async def take_claims(connection: Connection, identity: Identity) -> None:
    """For the rest of the transaction, ask as this identity: all that policies on a row change can see of it."""
    await connection.execute(
        "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
        (identity.role, identity.claims_json),
    )


async def _become(connection: Connection, identity: Identity, topic: str) -> None:
    """The same, with what policies on realtime.messages can see besides."""
    await connection.execute(
        "select set_config('realtime.topic', %s, true), set_config('request.jwt.claim.sub', %s, true),"
        " set_config('request.jwt.claim.role', %s, true), set_config('request.headers', %s, true)",
        (
            topic,
            str(identity.claims.get("sub") or ""),
            identity.role,
            json_text.dumps(dict(identity.headers)),
        ),
    )
    await take_claims(connection, identity)


def _log_denial(right: str, topic: str, error: psycopg.Error) -> None:
    logger.warning("policy failed: %s on %s refused (%s, %s)", right, topic, error.sqlstate, type(error).__name__)
