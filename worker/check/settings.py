"""Settings that are valid one by one, but make no sense together."""

from urllib.parse import urlsplit

from worker.check.findings import Finding
from worker.config import WorkerSettings, is_loopback

SLOW_SWEEP_SECONDS = 60.0
LONG_LEASE_SECONDS = 120.0
FREE_PLAN_MESSAGES_PER_SECOND = 100.0


def is_local(url: str) -> bool:
    """Whether the URL names this machine: a stack for trying things out."""
    return is_loopback(urlsplit(url).hostname or "")


def judge(settings: WorkerSettings) -> list[Finding]:
    found = [*_url(settings.supabase_url), *_times(settings), *_amounts(settings)]
    return found or [Finding("ok", "settings", "The worker's settings make sense together.")]


def _url(url: str) -> list[Finding]:
    parts = urlsplit(url)
    found = []
    if parts.path.strip("/") or parts.query:
        words = f"SUPABASE_URL has more than a host: {parts.path}."
        found.append(Finding("problem", "settings", words, "It must look like https://<ref>.supabase.co."))
    if parts.scheme == "http" and not is_local(url):
        words = "SUPABASE_URL is http: the secret key would cross the network in plain text."
        found.append(Finding("problem", "settings", words, "Use https."))
    return found


def _times(settings: WorkerSettings) -> list[Finding]:
    found = []
    if settings.sweep_seconds > SLOW_SWEEP_SECONDS:
        words = f"SWEEP_SECONDS is {settings.sweep_seconds:g}: a lost wake-up delays an answer by as much."
        found.append(Finding("warning", "settings", words, "15 is the default."))
    if settings.degraded_sweep_seconds > settings.sweep_seconds:
        words = "DEGRADED_SWEEP_SECONDS is more than SWEEP_SECONDS: without Realtime the queue is asked less often."
        found.append(Finding("warning", "settings", words, "2 is the default."))
    if settings.lease_seconds > LONG_LEASE_SECONDS:
        words = f"LEASE_SECONDS is {settings.lease_seconds:g}: what a dead worker held waits as long."
        found.append(Finding("warning", "settings", words, "15 is the default."))
    return found


def _amounts(settings: WorkerSettings) -> list[Finding]:
    found = []
    per_second = settings.realtime_messages_per_second
    if per_second > FREE_PLAN_MESSAGES_PER_SECOND and not is_local(settings.supabase_url):
        words = f"REALTIME_MESSAGES_PER_SECOND is {per_second:g}: the Free plan closes channels above 100."
        found.append(Finding("warning", "settings", words, "Keep it below your plan's limit, over all workers."))
    if len(set(settings.models)) < len(settings.models):
        found.append(Finding("warning", "settings", "GEMINI_MODELS names a model twice.", "Name each once."))
    return found
