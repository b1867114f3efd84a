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
NO_PARTITION = "Realtime was unable to find the expected messages partition"


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


class Unanswered(Exception):
    """The policies could not be asked. That is no denial: the next time they are asked again."""


class PolicyTimeout(Unanswered):
    """A policy took longer than a statement may."""


class PolicyFailed(Unanswered):
    """A policy raised, or there is no such role."""


class MissingPartition(Unanswered):
    """realtime.messages has no partition for today, so no row can be tried in it."""


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
    """Follows 2.129.8, lib/realtime/tenants/authorization.ex."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_policies(self, identity: Identity, topic: str, *, with_presence: bool) -> ReadPolicies:
        """Raises DatabaseAway, PolicyTimeout or MissingPartition; a policy that raises hides everything."""
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
            _log_failure("read", topic, error)
            if _is_missing_partition(error):
                raise MissingPartition from error
            return ReadPolicies()
        return ReadPolicies(
            broadcast=probes[BROADCAST] in visible,
            presence=probes[PRESENCE] in visible if with_presence else None,
        )

    async def may_write(self, identity: Identity, topic: str, extension: str = BROADCAST) -> bool:
        """Raises DatabaseAway or Unanswered."""
        try:
            async with self._database.connection() as connection, rolled_back(connection):
                await _become(connection, identity, topic)
                await connection.execute(
                    "insert into realtime.messages (topic, extension) values (%s, %s)",
                    (topic, extension),
                )
        except psycopg.errors.InsufficientPrivilege:
            return False
        except psycopg.errors.QueryCanceled as error:
            raise PolicyTimeout(error.diag.message_primary) from error
        except psycopg.Error as error:
            _log_failure("write", topic, error)
            raise MissingPartition() if _is_missing_partition(error) else PolicyFailed() from error
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


def _is_missing_partition(error: psycopg.Error) -> bool:
    """Postgres reports it as a violated check, of the table and of no constraint."""
    return isinstance(error, psycopg.errors.CheckViolation) and error.diag.constraint_name is None


def _log_failure(right: str, topic: str, error: psycopg.Error) -> None:
    logger.warning("policy failed: %s on %s (%s, %s)", right, topic, error.sqlstate, type(error).__name__)
