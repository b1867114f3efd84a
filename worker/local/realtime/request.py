"""What a `phx_join` asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.local.realtime import tokens

LONGEST_WAIT = 20_000  # milliseconds
USUAL_WAIT = 15_000  # milliseconds


@dataclass(frozen=True)
class JoinRequest:
    private: bool = False
    broadcast_self: bool = False
    broadcast_ack: bool = False
    replication_ready: bool = False
    replay: Any = None  # as the client sent it
    presence: bool = False
    presence_key: str = ""
    bindings: tuple[Mapping[str, Any], ...] = ()
    wait_ms: int | None = None  # how long the reply may be held back until row changes are subscribed
    access_token: str | None = None
    legacy: bool = False  # asked for in the topic, and answered in the way of that time

    @classmethod
    def parse(cls, name: str, payload: Any) -> "JoinRequest":
        """What does not parse keeps its default: a wrong field never fails a join."""
        payload = _mapping(payload)
        token = _token(payload.get("user_token")) or _token(payload.get("access_token"))
        if "config" not in payload:
            return cls(bindings=(_binding_of(name),), access_token=token, legacy=True)
        config = _mapping(payload["config"])
        broadcast, presence = _mapping(config.get("broadcast")), _mapping(config.get("presence"))
        bindings = config.get("postgres_changes")
        key = presence.get("key")
        return cls(
            private=_flag(config.get("private")),
            broadcast_self=_flag(broadcast.get("self")),
            broadcast_ack=_flag(broadcast.get("ack")),
            replication_ready=_flag(broadcast.get("replication_ready")),
            replay=broadcast.get("replay"),
            presence=_flag(presence.get("enabled")),
            presence_key=key if isinstance(key, str) else "",
            bindings=tuple(b for b in bindings if isinstance(b, dict)) if isinstance(bindings, list) else (),
            wait_ms=_wait(_mapping(config.get("postgres_changes_options"))),
            access_token=token,
        )


def _binding_of(name: str) -> dict[str, str]:
    """The first clients named schema, table and filter in the topic, with colons between them."""
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


def _flag(value: Any) -> bool:
    return value is True or value == "true"


def _token(value: Any) -> str | None:
    """Opaque keys are no tokens: such a channel speaks for whom the handshake's key spoke."""
    return value if isinstance(value, str) and value and not tokens.is_opaque(value) else None
