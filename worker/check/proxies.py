"""Which of the worker's clients use a proxy from the environment. Each library reads other variables."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from worker.check.findings import Finding
from worker.config import WorkerSettings

GEMINI = "https://generativelanguage.googleapis.com"


WEBSOCKETS = {"http": ("ws", "socks", "https", "http"), "https": ("wss", "socks", "https")}
"""By the scheme of the address: the kinds of proxy that websockets looks for, in this order."""


def judge(settings: WorkerSettings) -> list[Finding]:
    clients = {
        "the Supabase API": settings.supabase_url,
        "Realtime": settings.supabase_url,
        "Gemini": settings.gemini_base_url or GEMINI,
        "traces": settings.otel_exporter_otlp_endpoint,
    }
    used = []
    for name, url in clients.items():
        scheme = urlsplit(url or "").scheme
        looked_for = WEBSOCKETS.get(scheme, ()) if name == "Realtime" else (scheme, "all")
        if url and (proxy := _proxy(url, looked_for)):
            used.append(f"{name} ({proxy})")
    if not used:
        return []
    words = f"A proxy is used for {', for '.join(used)}, as the environment says."
    return [Finding("ok", "proxy", words, "What is to be reached without it belongs into NO_PROXY.")]


def _proxy(url: str, looked_for: tuple[str, ...]) -> str | None:
    """Host and port of the proxy for this address, without user and password; None: a direct connection."""
    target = urlsplit(url)
    if target.hostname is None or proxy_bypass(target.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    proxy = next((proxies[name] for name in looked_for if proxies.get(name)), None)
    return urlsplit(proxy if "://" in proxy else f"//{proxy}").netloc.rpartition("@")[2] if proxy else None
