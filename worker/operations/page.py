"""The operator's page, `/ops` on OPS_PORT: figures only. The gate decides who may see them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from flask import Blueprint, Flask, Response, jsonify, redirect, request, send_from_directory
from flask.typing import ResponseReturnValue

from worker.errors import DatabaseError
from worker.operations.gate import COOKIE, Gate, Refusal

# Built from ui/ by `make build`.
BUILT = Path(__file__).parent / "dist"
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
    gate: Gate,
    built: Path = BUILT,
) -> None:
    """Add `/ops` to an app.

    `read_figures` returns the JSON of ops_report or raises DatabaseError; `problems` returns those of `/readyz`, by
    name. Both are called in other threads.
    """
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_FORM
    ops = Blueprint("ops", __name__, url_prefix="/ops")

    @ops.get("")
    def page() -> ResponseReturnValue:
        if not (built / "index.html").is_file():
            return Response("The page is not built: run make build.\n", 503, mimetype="text/plain")
        if refusal := gate.refusal():
            return _sign_in(refusal)
        return _fresh(send_from_directory(built, "index.html"))

    @ops.post("")
    def enter() -> ResponseReturnValue:
        if refusal := gate.judge(request.form.get("token", "")):
            return redirect("/ops#paused" if refusal.reason == "paused" else "/ops#refused", 303)
        response = redirect("/ops", 303)
        secure = request.is_secure or request.headers.get("X-Forwarded-Proto") == "https"
        response.set_cookie(COOKIE, gate.cookie(), path="/ops", httponly=True, samesite="Strict", secure=secure)
        return response

    @ops.get("/report.json")
    def report() -> ResponseReturnValue:
        if refusal := gate.refusal():
            return jsonify(message=refusal.words), refusal.status, refusal.headers
        try:
            figures = read_figures()
        except DatabaseError as error:
            log.warning("The operator's figures cannot be read.", action="figures_failed", reason=str(error))
            return jsonify(message="The database did not answer.", problems=problems()), 503
        return _fresh(jsonify(figures=figures, problems=problems()))

    # Without an access check: the sign-in form needs its style, and no file here is secret.
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

    def _sign_in(refusal: Refusal) -> ResponseReturnValue:
        if not gate.has_token:
            return Response(f"{refusal.words}\n", refusal.status, mimetype="text/plain")
        response = _fresh(send_from_directory(built, "sign-in.html"))
        response.status_code = refusal.status
        response.headers.update(refusal.headers)
        return response

    app.register_blueprint(ops)


def _fresh(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
