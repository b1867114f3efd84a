"""The checks of a join, before the channel is created."""

from dataclasses import dataclass
from typing import Any, Protocol

from worker.local.realtime import replay, tokens
from worker.local.realtime.authorization import (
    NO_PARTITION,
    PUBLIC,
    Identity,
    MissingPartition,
    PolicyTimeout,
    ReadPolicies,
)
from worker.local.realtime.database import DatabaseAway
from worker.local.realtime.limits import Limits
from worker.local.realtime.replay import Replayed, ReplayRefused
from worker.local.realtime.request import JoinRequest, JoinUnreadable
from worker.local.realtime.rooms import TOPIC_PREFIX
from worker.local.realtime.services import Services


class JoinRefused(Exception):
    """The message is the reason that is sent to the client."""


class TooManyJoins(JoinRefused):
    """The socket is closed as well."""


class Client(Protocol):
    """The part of a socket that a join uses."""

    handshake: Identity

    @property
    def channel_count(self) -> int: ...


@dataclass(frozen=True)
class Admission:
    """An accepted join."""

    name: str  # the topic without its prefix
    request: JoinRequest
    identity: Identity
    policies: ReadPolicies
    replayed: list[Replayed]


async def admit(services: Services, client: Client, topic: str, payload: Any) -> Admission:
    """Run the checks of a join in the server's order. Raises JoinRefused."""
    name = topic.removeprefix(TOPIC_PREFIX)
    if not name:
        raise JoinRefused("TopicNameRequired: You must provide a topic name")
    try:
        request = JoinRequest.parse(name, payload)
    except JoinUnreadable as error:
        raise JoinRefused(f"UnknownErrorOnChannel: {error}") from error
    if services.settings.private_only and not request.private:
        raise JoinRefused("PrivateOnly: This project only allows private channels")
    _check_limits(services.limits, client)
    identity = _identity(services, client.handshake, request)
    try:
        # A joined channel must receive the database's broadcasts from then on.
        await services.capture.wait_until_live()
        await services.partitions.make_at_join()
        services.cold_start.joined()
        policies = await _policies(services, identity, name, request)
        replayed = await _replayed(services, name, request, policies)
    except DatabaseAway as error:
        raise JoinRefused(
            "UnableToConnectToProject: Realtime was unable to connect to the project database"
        ) from error
    return Admission(name, request, identity, policies, replayed)


def _check_limits(limits: Limits, client: Client) -> None:
    if not limits.has_room_for(client):
        raise JoinRefused("ConnectionRateLimitReached: Too many connected users")
    if limits.joins.exceeded:
        raise TooManyJoins("ClientJoinRateLimitReached: Too many joins per second")
    limits.joins.add()
    if client.channel_count >= limits.channels_per_client:
        raise JoinRefused("ChannelRateLimitReached: Too many channels")


def _identity(services: Services, handshake: Identity, request: JoinRequest) -> Identity:
    try:
        if request.access_token is not None:
            claims = tokens.verify(request.access_token, services.settings.jwt_secret)
            return Identity(claims, handshake.headers)
        tokens.check_expiry(handshake.claims)
    except tokens.TokenError as error:
        raise JoinRefused(error.reason) from error
    return handshake


async def _policies(services: Services, identity: Identity, name: str, request: JoinRequest) -> ReadPolicies:
    if not request.private:
        return PUBLIC
    try:
        policies = await services.authorization.read_policies(identity, name, with_presence=request.presence)
    except PolicyTimeout as error:
        raise JoinRefused(f"QueryCanceled: {error}") from error
    except MissingPartition as error:
        raise JoinRefused(f"MissingPartition: {NO_PARTITION}") from error
    # Replay requires the right to read broadcasts; presence alone is not enough.
    if not policies.any or (request.replay is not None and not policies.broadcast):
        raise JoinRefused(f"Unauthorized: You do not have permissions to read from this Channel topic: {name}")
    return policies


async def _replayed(services: Services, name: str, request: JoinRequest, policies: ReadPolicies) -> list[Replayed]:
    if request.replay is None:
        return []
    try:
        if not request.private:
            raise ReplayRefused("Replay is not allowed for public channels")
        return await replay.find(services.database, name, request.replay.wanted)
    except ReplayRefused as error:
        raise JoinRefused(f"UnableToReplayMessages: {error}") from error
