"""Permissions on private channels: the policies on realtime.messages, tested with rows that are rolled back."""

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
    """The user of a channel or a request: claims and headers, as set in Postgres for policies."""

    claims: Claims
    headers: Mapping[str, str] = field(default_factory=dict)  # the handshake's x-* headers

    @property
    def role(self) -> str:
        return str(self.claims["role"])

    @cached_property
    def claims_json(self) -> str:
        return json_text.dumps(dict(self.claims))


class Unanswered(Exception):
    """The policies could not be evaluated. It is not a denial, and is not cached."""


class PolicyTimeout(Unanswered):
    """A policy exceeded the statement timeout."""


class PolicyFailed(Unanswered):
    """A policy raised an error, or the role does not exist."""


class MissingPartition(Unanswered):
    """realtime.messages has no partition for today, so the test row cannot be inserted."""


@dataclass(frozen=True)
class ReadPolicies:
    broadcast: bool = False
    presence: bool | None = False  # None: not queried yet

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
        """Raises DatabaseAway, PolicyTimeout or MissingPartition. A policy that raises denies everything."""
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
    """Until the transaction ends, act as this identity, with the settings that policies on row changes can read."""
    await connection.execute(
        "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
        (identity.role, identity.claims_json),
    )


async def _become(connection: Connection, identity: Identity, topic: str) -> None:
    """The same, with the further settings that policies on realtime.messages can read."""
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
    """Postgres reports it as a check violation without the name of a constraint."""
    return isinstance(error, psycopg.errors.CheckViolation) and error.diag.constraint_name is None


def _log_failure(right: str, topic: str, error: psycopg.Error) -> None:
    logger.warning("policy failed: %s on %s (%s, %s)", right, topic, error.sqlstate, type(error).__name__)
