"""The stand-in's settings: read once from the environment, never changed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

REQUIRED = (
    "REALTIME_DATABASE_URL",
    "SUPABASE_JWT_SECRET",
    "SUPABASE_PUBLISHABLE_KEY",
    "SUPABASE_SECRET_KEY",
)


class SettingsError(Exception):
    """The environment does not say what is needed; the message names everything that is wrong."""


@dataclass(frozen=True)
class Settings:
    """Seconds are seconds; everything secret keeps out of `repr`."""

    database_url: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    publishable_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    channel_error_backoff: float = 5.0  # before the reply to a refused join
    connect_error_backoff: float = 2.0  # before the answer to a refused handshake
    idle_timeout: float = 60.0  # without a frame, a socket is closed

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        missing = [name for name in REQUIRED if not environment.get(name)]
        if missing:
            raise SettingsError(f"not set: {', '.join(missing)}")
        return cls(
            database_url=environment["REALTIME_DATABASE_URL"],
            jwt_secret=environment["SUPABASE_JWT_SECRET"],
            publishable_key=environment["SUPABASE_PUBLISHABLE_KEY"],
            secret_key=environment["SUPABASE_SECRET_KEY"],
            channel_error_backoff=_seconds(environment, "REALTIME_CHANNEL_ERROR_BACKOFF_MS", "5000"),
            connect_error_backoff=_seconds(environment, "REALTIME_CONNECT_ERROR_BACKOFF_MS", "2000"),
            idle_timeout=_seconds(environment, "REALTIME_IDLE_TIMEOUT_MS", "60000"),
        )


def _seconds(environment: Mapping[str, str], name: str, default: str) -> float:
    text = environment.get(name, default)
    if not text.isdigit():
        raise SettingsError(f"{name} must be a number of milliseconds, not {text!r}")
    return int(text) / 1000
