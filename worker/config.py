"""Settings, from the environment and `.env`: frozen; all problems are reported at once, and no secret is printed."""

import ipaddress
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from worker import ops_token
from worker.credentials import claims_of
from worker.errors import ConfigError
from worker.model import price_list
from worker.model.limits import RateLimit
from worker.model.pricing import Prices
from worker.network import proxies

_CONFIG = SettingsConfigDict(
    env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
)

_ADDRESS, _SOMETHING = r"^https?://", r"[^\s,]"
LEAST_DEADLINE_SECONDS = 10.0
"""Gemini answers a shorter X-Server-Timeout with 400: "Minimum allowed deadline is 10s."."""


def is_loopback(host: str) -> bool:
    """Whether this name or address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class WorkerSettings(BaseSettings):
    """The settings of `python -m worker run`. Names of the variables are these in upper case."""

    model_config = _CONFIG

    supabase_url: str = Field(pattern=_ADDRESS, description="The project's URL.")
    supabase_secret_key: SecretStr = Field(description="sb_secret_…; it stays in the worker.")
    gemini_api_key: SecretStr = Field(description="Key for the Gemini API.")
    gemini_base_url: str | None = Field(
        None, pattern=_ADDRESS, description="Another address of the Gemini API, such as a proxy."
    )
    gemini_models: str = Field(
        "gemini-3.5-flash-lite,gemini-3.8-flash", pattern=_SOMETHING, description="Models, the first is asked first."
    )
    gemini_prices_file: Path | None = Field(
        None, description="Prices of models, a TOML file that goes over those that are shipped."
    )
    gemini_rate_limit: str | None = Field(
        None,
        description="Calls to each model that all workers together may begin in so many seconds, such as 60/60.",
    )
    max_output_tokens: int = Field(8192, gt=0, description="Longest answer, in tokens.")
    prompt_token_budget: int = Field(
        32_000,
        ge=1000,
        description="Longest prompt, in tokens, as estimated; post and analysis are cut, the oldest turns left out.",
    )
    reply_deadline_seconds: float = Field(
        120.0,
        ge=LEAST_DEADLINE_SECONDS,
        description="How long the calls for a reply may take until it waits in the queue, in seconds. "
        "Gemini is told, and refuses every call with a shorter one.",
    )
    reply_max_wait_seconds: float = Field(
        600.0, gt=0, description="How long a question waits for its answer, in seconds; then it fails."
    )
    model_first_token_seconds: float = Field(
        15.0, gt=0, validate_default=True, description="Longest wait for the first word of the model, in seconds."
    )
    model_idle_seconds: float = Field(20.0, gt=0, description="Longest silence of the model, in seconds.")
    # 400 is more than one process can stream. It keeps a beat, which lists all claims, at 2 ms in the database.
    worker_concurrency: int = Field(50, gt=0, le=400, description="Replies answered at the same time, 400 at most.")
    lease_seconds: float = Field(15.0, ge=3, description="How long a claim holds unless renewed, in seconds.")
    sweep_seconds: float = Field(15.0, gt=0, description="Longest wait between two claims, in seconds.")
    degraded_sweep_seconds: float = Field(
        2.0, gt=0, description="The same while Realtime or the API is away, in seconds."
    )
    shutdown_grace_seconds: float = Field(
        10.0, ge=0, description="How long replies may finish after SIGTERM, in seconds."
    )
    realtime_messages_per_second: float = Field(
        80.0, gt=0, description="The worker's share of the plan's Realtime messages, per second; a delta is two."
    )
    health_host: str = Field("127.0.0.1", description="Where /healthz and /readyz listen.")
    health_port: int = Field(8001, ge=0, lt=65536, description="Their port.")
    ops_host: str = Field("127.0.0.1", description="Where /ops and /metrics listen.")
    ops_port: int = Field(8002, ge=0, lt=65536, description="Their port.")
    ops_token: SecretStr | None = Field(
        None,
        validate_default=True,
        description="What opens /ops and /metrics; needed behind a proxy, "
        "and where OPS_HOST is not this machine alone.",
    )

    otel_exporter_otlp_endpoint: str | None = Field(
        None, pattern=_ADDRESS, description="Where traces are sent, by OTLP over HTTP; none are, without it."
    )

    @field_validator("ops_token")
    @classmethod
    def _guarded_unless_private(cls, token: SecretStr | None, settings: ValidationInfo) -> SecretStr | None:
        host = settings.data.get("ops_host", "127.0.0.1")
        if token is not None:
            ops_token.require_strength(token.get_secret_value())
        elif not is_loopback(host):
            words = f"It is required, since OPS_HOST is {host} and others can reach /ops"
            raise ValueError(f"{words}. {ops_token.WHAT_TO_DO}")
        return token

    @field_validator("model_first_token_seconds")
    @classmethod
    def _within_the_deadline(cls, seconds: float, settings: ValidationInfo) -> float:
        deadline = settings.data.get("reply_deadline_seconds", seconds)
        if seconds > deadline:
            raise ValueError(
                f"It is {seconds:g}, and must not be above REPLY_DEADLINE_SECONDS, which is {deadline:g}"
            )
        return seconds

    @field_validator("gemini_prices_file")
    @classmethod
    def _has_prices(cls, file: Path | None) -> Path | None:
        if file is not None:
            price_list.read(file)
        return file

    @field_validator("gemini_rate_limit")
    @classmethod
    def _is_a_rate(cls, rate: str | None) -> str | None:
        if rate is not None:
            RateLimit.parse(rate)
        return rate

    @property
    def rate_limit(self) -> RateLimit | None:
        return RateLimit.parse(self.gemini_rate_limit) if self.gemini_rate_limit else None

    @property
    def prices(self) -> Prices:
        return Prices.load(self.gemini_prices_file)

    @property
    def models(self) -> list[str]:
        return [name.strip() for name in self.gemini_models.split(",") if name.strip()]


class WebSettings(BaseSettings):
    """The settings of `python -m worker web`. None of them is secret."""

    model_config = _CONFIG

    supabase_url: str = Field(pattern=_ADDRESS, description="The project's URL.")
    supabase_publishable_key: str = Field(description="sb_publishable_…; given to browsers.")
    web_host: str = Field("127.0.0.1", description="Where the chat page listens.")
    web_port: int = Field(8000, ge=0, lt=65536, description="The port of the chat page.")
    web_threads: int = Field(32, ge=12, le=500, description="Requests served at the same time; eight never wait.")
    web_wait_seconds: float = Field(
        30.0, ge=0, le=300, description="Longest wait of a request for its answer, in seconds."
    )

    @field_validator("supabase_publishable_key")
    @classmethod
    def _is_for_browsers(cls, key: str) -> str:
        """A publishable key, or a legacy key of the role anon."""
        if not key.startswith("sb_publishable_") and (claims_of(key) or {}).get("role") != "anon":
            raise ValueError("It must begin with sb_publishable_, or be a legacy key of the role anon")
        return key


# Messages for patterns, since pydantic's message contains only the pattern.
_PATTERNS = {
    _ADDRESS: "It must begin with http:// or https://",
    _SOMETHING: "It names nothing",
}
SettingsType = TypeVar("SettingsType", bound=BaseSettings)


def _sentence(problem: ErrorDetails) -> str:
    pattern = str(problem.get("ctx", {}).get("pattern"))
    return _PATTERNS.get(pattern, problem["msg"].removeprefix("Value error, "))


def load(kind: type[SettingsType]) -> SettingsType:
    """Read the settings. Raises ConfigError, with one line for each problem."""
    proxies.settle()
    try:
        settings = kind()
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_input=False, include_url=False):
            name = str(problem["loc"][0])
            purpose = kind.model_fields[name].description if name in kind.model_fields else ""
            lines.append(f"{name.upper()}: {_sentence(problem)}. {purpose}")
        raise ConfigError("Settings that cannot be used:\n  " + "\n  ".join(lines)) from None
    proxies.spare(host for _, value in settings if is_loopback(host := _host(value)))
    return settings


def _host(value: object) -> str:
    """The host of a setting that is a URL; empty for all others."""
    try:
        return urlsplit(value).hostname or "" if isinstance(value, str) else ""
    except ValueError:
        return ""
