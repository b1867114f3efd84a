"""What a `phx_join` asks for, and the checks before a channel exists."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from worker.local.realtime import tokens
from worker.local.realtime.authorization import Identity, ReadPolicies
from worker.local.realtime.database import DatabaseAway
from worker.local.realtime.limits import Limits
from worker.local.realtime.rooms import TOPIC_PREFIX
from worker.local.realtime.services import Services


class JoinRefused(Exception):
    """The message is the reason as the client is told it."""


class Client(Protocol):
    """The socket, as a join knows it."""

    handshake: Identity

    @property
    def channel_count(self) -> int: ...


@dataclass(frozen=True)
class JoinRequest:
    private: bool = False
    broadcast_self: bool = False
    broadcast_ack: bool = False
    replication_ready: bool = False
    presence: bool = False
    bindings: tuple[Mapping[str, Any], ...] = ()
    access_token: str | None = None

    @classmethod
    def parse(cls, payload: Any) -> "JoinRequest":
        """What does not parse keeps its default: a wrong field never fails a join."""
        payload = _mapping(payload)
        config = _mapping(payload.get("config"))
        broadcast, presence = _mapping(config.get("broadcast")), _mapping(config.get("presence"))
        bindings = config.get("postgres_changes")
        return cls(
            private=_flag(config.get("private")),
            broadcast_self=_flag(broadcast.get("self")),
            broadcast_ack=_flag(broadcast.get("ack")),
            replication_ready=_flag(broadcast.get("replication_ready")),
            presence=_flag(presence.get("enabled")),
            bindings=tuple(b for b in bindings if isinstance(b, dict)) if isinstance(bindings, list) else (),
            access_token=_token(payload.get("user_token")) or _token(payload.get("access_token")),
        )


@dataclass(frozen=True)
class Admission:
    """A join that may go ahead."""

    name: str  # the topic without its prefix
    request: JoinRequest
    identity: Identity
    policies: ReadPolicies


class TooManyJoins(JoinRefused):
    """The socket is closed, too."""


async def admit(services: Services, client: Client, topic: str, payload: Any) -> Admission:
    """Run the checks of a join in the server's order. Raises JoinRefused."""
    name = topic.removeprefix(TOPIC_PREFIX)
    if not name:
        raise JoinRefused("TopicNameRequired: You must provide a topic name")
    request = JoinRequest.parse(payload)
    if services.settings.private_only and not request.private:
        raise JoinRefused("PrivateOnly: This project only allows private channels")
    _check_limits(services.limits, client)
    identity = client.handshake
    try:
        if request.access_token:
            claims = tokens.verify(request.access_token, services.settings.jwt_secret)
            identity = Identity(claims, client.handshake.headers)
        tokens.check_expiry(identity.claims)
    except tokens.TokenError as error:
        raise JoinRefused(error.reason) from error
    try:
        # A channel that is joined must hear what the database sends from then on.
        await services.capture.wait_until_live()
        policies = ReadPolicies(broadcast=True, presence=True)
        if request.private:
            policies = await services.authorization.read_policies(identity, name, with_presence=request.presence)
    except DatabaseAway as error:
        raise JoinRefused(
            "UnableToConnectToProject: Realtime was unable to connect to the project database"
        ) from error
    if not policies.any:
        raise JoinRefused(f"Unauthorized: You do not have permissions to read from this Channel topic: {name}")
    return Admission(name, request, identity, policies)


def _check_limits(limits: Limits, client: Client) -> None:
    if not limits.has_room_for(client):
        raise JoinRefused("ConnectionRateLimitReached: Too many connected users")
    if limits.joins.exceeded:
        raise TooManyJoins("ClientJoinRateLimitReached: Too many joins per second")
    limits.joins.add()
    if client.channel_count >= limits.channels_per_client:
        raise JoinRefused("ChannelRateLimitReached: Too many channels")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _flag(value: Any) -> bool:
    return value is True or value == "true"


def _token(value: Any) -> str | None:
    """Opaque keys are no tokens: such a channel speaks for whom the handshake's key spoke."""
    return value if isinstance(value, str) and value and not tokens.is_opaque(value) else None
