"""Settings of the local stack: its ports, a key for the real Gemini, and a token for the operator's page."""

import random
import socket
from collections import defaultdict
from typing import Annotated, Self

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from worker.config import WorkerSettings
from worker.local.processes import StartError
from worker.network import proxies

# Below Linux's range for ports of outgoing connections, so that a port stays free while its service restarts.
FREE_PORTS = range(20_000, 32_000)

Port = Annotated[int, Field(gt=0, lt=65536)]


class Ports(BaseModel):
    """Where each service listens, on 127.0.0.1."""

    api: int
    postgres: int
    realtime: int
    model: int
    web: int
    worker: int
    ops: int
    behind: int
    """Of the API, if the hosted manners listen on the port `api` in front of it."""

    @classmethod
    def free(cls) -> Self:
        """Eight unused ports that are reserved for this process among all stacks of this machine."""
        candidates = random.sample(FREE_PORTS, 64)
        unused = (port for port in candidates if is_free(port) and take(port))
        return cls(**{name: next(unused) for name in cls.model_fields})


class LocalSettings(BaseSettings):
    """Read from the environment and from `.env`."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    local_api_port: Port = 54321
    local_postgres_port: Port = 54322
    local_realtime_port: Port = 54323
    local_model_port: Port = 54324
    web_port: Port = 8000
    health_port: Port = 8001
    ops_port: Port = 8002
    local_behind_port: Port = 54325
    web_host: str = "127.0.0.1"
    health_host: str = "127.0.0.1"
    ops_host: str = "127.0.0.1"
    ops_token: SecretStr | None = None
    gemini_api_key: SecretStr | None = None
    gemini_models: str = WorkerSettings.model_fields["gemini_models"].default

    @model_validator(mode="after")
    def _no_port_twice(self) -> Self:
        by_port: dict[int, list[str]] = defaultdict(list)
        for service, port in self.ports.model_dump().items():
            by_port[port].append(PORT_SETTINGS[service])
        if twice := [" and ".join(names) for names in by_port.values() if len(names) > 1]:
            raise ValueError(f"{', '.join(twice)} are the same port")
        return self

    @property
    def ports(self) -> Ports:
        return Ports(
            api=self.local_api_port,
            postgres=self.local_postgres_port,
            realtime=self.local_realtime_port,
            model=self.local_model_port,
            web=self.web_port,
            worker=self.health_port,
            ops=self.ops_port,
            behind=self.local_behind_port,
        )


# For the message about a port in use: the setting that changes it.
PORT_SETTINGS = {
    "api": "LOCAL_API_PORT",
    "postgres": "LOCAL_POSTGRES_PORT",
    "realtime": "LOCAL_REALTIME_PORT",
    "model": "LOCAL_MODEL_PORT",
    "web": "WEB_PORT",
    "worker": "HEALTH_PORT",
    "ops": "OPS_PORT",
    "behind": "LOCAL_BEHIND_PORT",
}


def load() -> LocalSettings:
    """Raises StartError or ConfigError, with a sentence for each setting that cannot be used."""
    proxies.settle()
    try:
        return LocalSettings()
    except ValidationError as error:
        problems = [
            f"{str(each['loc'][0]).upper()}: {each['msg']}" if each["loc"] else str(each["ctx"]["error"])
            for each in error.errors()
        ]
        raise StartError("Settings that cannot be used: " + "; ".join(problems)) from None


def is_free(port: int) -> bool:
    """Whether a server can listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def take(port: int) -> bool:
    """Reserve the port for this process, so that two stacks that start at the same time do not choose the same.

    The mark is a socket in Linux's abstract namespace: it belongs to one process, and goes away with it.
    """
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0postbro-chat-port-{port}")
    except OSError:
        mark.close()
        return False
    mark.detach()  # it stays open until the process ends
    return True
