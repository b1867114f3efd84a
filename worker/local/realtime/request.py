"""The payload of a `phx_join` (2.129.8, lib/realtime_web/channels/realtime_channel.ex and payloads/)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.local.realtime import elixir, json_text, tokens

LONGEST_WAIT = 20_000  # milliseconds
USUAL_WAIT = 15_000  # milliseconds


@dataclass(frozen=True)
class Replay:
    """`wanted`: the client's value, unchecked; it should be `{since: unix ms, limit}`."""

    wanted: Any


class JoinUnreadable(ValueError):
    """The message is that of the real server's error."""


@dataclass(frozen=True)
class JoinRequest:
    private: bool = False
    broadcast_self: bool = False
    broadcast_ack: bool = False
    replication_ready: bool = False
    replay: Replay | None = None
    presence: bool = False
    presence_key: str = ""
    bindings: tuple[Mapping[str, Any], ...] = ()
    wait_ms: int | None = None  # longest delay of the reply until row changes are subscribed; None: no delay
    access_token: str | None = None
    legacy: bool = False  # the oldest protocol: tables are named in the topic, and events have another format

    @classmethod
    def parse(cls, name: str, payload: Any) -> "JoinRequest":
        """Invalid fields get their defaults. Raises JoinUnreadable if the config or a binding is not an object."""
        payload = _mapping(payload)
        token = _token(payload)
        if "config" not in payload:
            return cls(bindings=(_binding_of(name),), access_token=token, legacy=True)
        config = _object(payload["config"]) if payload["config"] is not None else {}
        broadcast, presence = _mapping(config.get("broadcast")), _mapping(config.get("presence"))
        bindings = config.get("postgres_changes")
        return cls(
            private=_flag(config.get("private")),
            broadcast_self=_flag(broadcast.get("self")),
            broadcast_ack=_flag(broadcast.get("ack")),
            replication_ready=_flag(broadcast.get("replication_ready")),
            replay=Replay(broadcast["replay"]) if "replay" in broadcast else None,
            presence=_flag(presence.get("enabled")),
            presence_key=_key(presence.get("key")),
            bindings=tuple(_object(b) for b in bindings if b is not None) if isinstance(bindings, list) else (),
            wait_ms=_wait(_mapping(config.get("postgres_changes_options"))),
            access_token=token,
        )


def _binding_of(name: str) -> dict[str, str]:
    """The oldest clients name schema, table and filter in the topic, separated by colons."""
    return dict(zip(("schema", "table", "filter"), name.split(":", 2), strict=False))


def _wait(options: Mapping[str, Any]) -> int | None:
    if not _flag(options.get("wait")):
        return None
    timeout = options.get("timeout", USUAL_WAIT)
    if not isinstance(timeout, int) or isinstance(timeout, bool) or timeout < 0:
        timeout = USUAL_WAIT
    return min(timeout, LONGEST_WAIT)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise JoinUnreadable(f"expected a map, got: {elixir.inspect(value)}")
    return value


def _flag(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _key(value: Any) -> str:
    """Numbers and booleans are accepted as keys, as their JSON text."""
    if isinstance(value, str):
        return value
    return json_text.dumps(value) if isinstance(value, int | float) else ""


def _token(payload: Mapping[str, Any]) -> str | None:
    """The access token; None for an opaque key, in which case the channel has the identity of the handshake.

    `user_token` is the older name and has precedence, unless `access_token` is an opaque key.
    """
    newer, older = payload.get("access_token"), payload.get("user_token")
    first = older if newer is None else newer
    if isinstance(first, str) and tokens.is_opaque(first):
        return None
    return next((token for token in (older, newer) if isinstance(token, str)), None)
