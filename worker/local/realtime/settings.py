"""The stand-in's settings, read once from the environment. The defaults are those of the real server."""

from enum import Enum
from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Count = Annotated[int, Field(ge=1)]
Milliseconds = Annotated[int, Field(ge=0)]


class SettingsError(Exception):
    """Settings are missing or invalid; the message lists all of them."""


class Partitions(Enum):
    """When those of realtime.messages are created. With all but AT_START, existing ones are dropped at the start."""

    AT_START = "at_start"
    AT_JOIN = "at_join"  # as in a project without clients for three days
    NEVER = "never"


class Settings(BaseSettings):
    """Each is read from `REALTIME_<NAME>`, or from the name given with it."""

    model_config = SettingsConfigDict(
        env_prefix="REALTIME_", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    database_url: str = Field(repr=False)
    jwt_secret: str = Field(repr=False, validation_alias="SUPABASE_JWT_SECRET")
    publishable_key: str = Field(repr=False, validation_alias="SUPABASE_PUBLISHABLE_KEY")
    secret_key: str = Field(repr=False, validation_alias="SUPABASE_SECRET_KEY")

    connect_error_backoff_ms: Milliseconds = 2_000  # before the answer to a refused handshake
    channel_error_backoff_ms: Milliseconds = 5_000  # before the reply to a refused join
    access_token_throttle_ms: Milliseconds = 10_000  # between two new tokens of one channel
    subscribe_pause_ms: Milliseconds = 1_000  # unit of the pauses before row changes are subscribed (again)
    poll_interval_ms: Milliseconds = 100  # of row changes; five of them while there are none
    publication_check_ms: Milliseconds = 60_000  # how soon a change of the publication is noticed
    no_channel_timeout_ms: Count = 600_000  # after which a socket without channels is closed
    max_unread_mb: Count = 50  # of one socket; with more unread data it is closed
    idle_timeout_ms: Milliseconds = 60_000  # after which a socket without frames is closed

    replication_start_ms: Milliseconds = 0  # from the first join until replication runs; 0: it always runs
    replication_ready_timeout_ms: Count = 60_000  # after which a channel that waits for it is closed
    cold_after_ms: Milliseconds = 660_000  # without a joined socket, after which the project is cold again
    partitions: Partitions = Partitions.AT_START
    faults: bool = False  # whether tests can request faults at /faults

    private_only: bool = False  # refuse public channels
    max_concurrent_users: Count = 200  # sockets that have joined a channel
    max_channels_per_client: Count = 100  # of one socket
    max_joins_per_second: Count = 100
    max_events_per_second: Count = (
        100  # of broadcasts sent and received; row changes have the same limit, counted separately
    )
    max_payload_size_kb: Count = 3_000  # of one broadcast or presence
    max_presence_events_per_second: Count = 1_000
    client_presence_max_calls: Count = 5  # of one channel in each window
    client_presence_window_ms: Count = 30_000
    rate_tick_ms: Count = 5_000  # rates are averages over up to twelve of these, judged at the end of each


def load() -> Settings:
    """Raises SettingsError, with a message for each setting that cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        problems = [f"{_variable(str(each['loc'][0]))}: {each['msg']}" for each in error.errors()]
        raise SettingsError("settings that cannot be used: " + "; ".join(problems)) from None


def _variable(name: str) -> str:
    return name if name.isupper() else f"REALTIME_{name.upper()}"
