"""The operator's page: `/ops` on the worker's private port. Figures only; open to this machine, else by a token."""

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Flask, Response, jsonify, redirect, request, send_from_directory
from flask.typing import ResponseReturnValue

from worker.config import is_loopback
from worker.errors import DatabaseError

# Built from ops/ by `make build`.
BUILT = Path(__file__).parent / "dist-ops"
COOKIE = "postbro_ops"
LONGEST_FORM = 4096  # bytes
FOR_EVER = "public, max-age=31536000, immutable"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)

log = structlog.get_logger()


def add_ops_page(
    app: Flask,
    read_figures: Callable[[], dict[str, Any]],
    problems: Callable[[], dict[str, str]],
    token: str | None,
    built: Path = BUILT,
) -> None:
    """Add `/ops` to the app of health.

    `read_figures` gives the JSON of ops_report or raises DatabaseError; `problems` is what `/readyz` says. Both are
    called from other threads. Without a `token`, only requests to one of this machine's own names are answered.
    """
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_FORM
    ops = Blueprint("ops", __name__, url_prefix="/ops")

    @ops.get("")
    def page() -> ResponseReturnValue:
        if not (built / "index.html").is_file():
            return Response("The page is not built: run make build.\n", 503, mimetype="text/plain")
        if not may_enter(token):
            return _sign_in(token)
        return _fresh(send_from_directory(built, "index.html"))

    @ops.post("")
    def enter() -> ResponseReturnValue:
        if token is None or not _same(request.form.get("token", ""), token):
            return redirect("/ops#refused", 303)
        response = redirect("/ops", 303)
        secure = request.is_secure or request.headers.get("X-Forwarded-Proto") == "https"
        response.set_cookie(COOKIE, _pass(token), path="/ops", httponly=True, samesite="Strict", secure=secure)
        return response

    @ops.get("/report.json")
    def report() -> ResponseReturnValue:
        if not may_enter(token):
            return jsonify(message="Sign in at /ops, or send the token as a bearer."), 401
        try:
            figures = read_figures()
        except DatabaseError as error:
            log.warning("The operator's figures cannot be read.", action="figures_failed", reason=str(error))
            return jsonify(message="The database did not answer.", problems=problems()), 503
        return _fresh(jsonify(figures=figures, problems=problems()))

    # No secret is in these: the form needs its style before anybody is let in.
    @ops.get("/assets/<path:name>")
    def asset(name: str) -> ResponseReturnValue:
        response = send_from_directory(built / "assets", name)
        response.headers["Cache-Control"] = FOR_EVER
        return response

    @ops.after_request
    def guard(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    def _sign_in(token: str | None) -> ResponseReturnValue:
        if token is None:
            return Response("Only by a name of this machine: 127.0.0.1 or localhost.\n", 403, mimetype="text/plain")
        response = _fresh(send_from_directory(built, "sign-in.html"))
        response.status_code = 401
        response.headers["WWW-Authenticate"] = "Bearer"
        return response

    app.register_blueprint(ops)


def may_enter(token: str | None) -> bool:
    """Whether the request at hand may see figures: it knows the token, or comes by a name of this machine."""
    if token is None:
        # Another site can point a name of its own at 127.0.0.1, and then read what a browser here may read.
        return is_loopback(urlsplit(f"//{request.host}").hostname or "")
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _same(bearer, token):
        return True
    return _same(request.cookies.get(COOKIE, ""), _pass(token))


def _pass(token: str) -> str:
    """What a browser keeps instead of the token: good for this page, and of no use anywhere else."""
    return hmac.new(token.encode(), b"ops page", hashlib.sha256).hexdigest()


def _same(given: str, wanted: str) -> bool:
    """In a time that tells nothing of how much is right."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def _fresh(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
