"""Access to the figures: with OPS_TOKEN for everybody who sends it, without it for this machine only."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from flask import request

from worker.config import is_loopback
from worker.operations.attempts import PAUSE_SECONDS, Attempts
from worker.operations.refusals import Refusals
from worker.telemetry import metrics

COOKIE = "postbro_ops"
# Headers that proxies, load balancers and tunnels add. nginx adds none by default, but uses HTTP/1.0.
FORWARDED = re.compile(
    r"forwarded|via|x-forwarded.*|x-original-.*|x-real-ip|(.+-)?client-?ip|x-proxyuser-ip|x-envoy-.*|x-amzn?-.*"
    r"|x-cloud-trace-context|x-arr-.*|x-request-start|cf-.*|cdn-.*|fastly-.*|fly-.*|akamai-.*|tailscale-.*|ngrok-.*",
    re.IGNORECASE,
)
MAKE_ONE = "`python -m worker ops-token` makes one"


@dataclass(frozen=True)
class Refusal:
    reason: str
    """A label of the metric."""
    status: int
    words: str
    """A sentence for the client."""
    headers: dict[str, str] = field(default_factory=dict)


_BEARER = {"WWW-Authenticate": "Bearer"}
REFUSALS = {
    refusal.reason: refusal
    for refusal in (
        Refusal(
            "forwarded",
            403,
            f"A proxy has sent this on. Behind a proxy these figures need a token: set OPS_TOKEN ({MAKE_ONE}).",
        ),
        Refusal("other_name", 403, "Only by a name of this machine: 127.0.0.1 or localhost."),
        Refusal("no_token", 401, "Sign in at /ops, or send OPS_TOKEN as a bearer.", _BEARER),
        Refusal("wrong_token", 401, "That is not OPS_TOKEN.", _BEARER),
        Refusal(
            "paused",
            429,
            "Too many wrong tokens came from your address: none of it is looked at for a minute.",
            {"Retry-After": f"{PAUSE_SECONDS:.0f}"},
        ),
    )
}


class Gate:
    """One for all paths of a port, so that wrong tokens at one path count at the others too."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._attempts = Attempts()
        self._refusals = Refusals()

    @property
    def has_token(self) -> bool:
        return self._token is not None

    def refusal(self) -> Refusal | None:
        """Why the current request is refused; None: it is allowed. For use within a request of Flask."""
        if self._token is None:
            return self._refuse(_why_not_from_here())
        # Before the pause: a signed-in browser is not locked out by wrong tokens of others behind its address.
        if _same(request.cookies.get(COOKIE, ""), self.cookie()):
            return None
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        return self.judge(bearer) if scheme.lower() == "bearer" else self._refuse("no_token")

    def judge(self, token: str) -> Refusal | None:
        """Why this token of the current request is refused; None: it is correct."""
        address = request.remote_addr or ""
        if self._token is None:
            return self._refuse("no_token")
        if self._attempts.are_paused(address):
            return self._refuse("paused")
        if _same(token, self._token):
            return None
        self._attempts.count_wrong(address)
        return self._refuse("wrong_token")

    def cookie(self) -> str:
        """The cookie's value, an HMAC of the token: only this page accepts it, and it does not reveal the token."""
        return hmac.new((self._token or "").encode(), b"ops page", hashlib.sha256).hexdigest()

    def _refuse(self, reason: str | None) -> Refusal | None:
        if reason is None:
            return None
        metrics.OPS_REFUSED.labels(reason).inc()
        self._refusals.tell(reason, request.path, request.remote_addr)
        return REFUSALS[reason]


def _why_not_from_here() -> str | None:
    is_forwarded = any(FORWARDED.fullmatch(name) for name in request.headers.keys())  # noqa: SIM118 (pairs otherwise)
    if is_forwarded or request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return "forwarded"
    # DNS rebinding: another site can point its own name at 127.0.0.1 and let a browser here read the figures.
    return None if is_loopback(urlsplit(f"//{request.host}").hostname or "") else "other_name"


def _same(given: str, wanted: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(given.encode(), wanted.encode())
