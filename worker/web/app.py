"""The web app: it serves the files of the chat page, whose browser talks to Supabase itself, and the HTTP API."""

import threading
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, jsonify, request, send_from_directory
from flask.typing import ResponseReturnValue
from flask_compress import Compress
from werkzeug.exceptions import HTTPException

from worker.config import is_loopback
from worker.credentials import is_secret
from worker.network.serving import serve
from worker.web.api import LARGEST_BODY, create_api
from worker.web.api.problems import of_framework, respond

__all__ = ["create_page_app", "serve", "tell_of_address"]

# Built from ui/ by `make build`.
BUILT = Path(__file__).parent / "dist"
# A file under /assets carries the hash of its content in its name.
FOR_EVER = "public, max-age=31536000, immutable"

log = structlog.get_logger()


def create_page_app(
    supabase_url: str,
    publishable_key: str,
    built: Path = BUILT,
    *,
    threads: int = 32,
    wait_seconds: float = 30.0,
    stopping: threading.Event | None = None,
) -> Flask:
    """The app of `/` and `/api`, for the project at `supabase_url`.

    `threads`, `wait_seconds` and `stopping`: see `create_api`. `built`: the folder of the built page.

    Raises ValueError for a URL that is not http(s), and for a secret key.
    """
    origin = _origin(supabase_url)
    if is_secret(publishable_key):
        raise ValueError("The page needs the publishable key; this one is secret and would reach every browser.")
    app = Flask(__name__, static_folder=None)
    app.config["COMPRESS_STREAMS"] = False  # compression would delay server-sent events
    Compress(app)
    app.url_map.strict_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    stopping = stopping or threading.Event()
    app.register_blueprint(create_api(supabase_url, publishable_key, threads, wait_seconds, stopping))
    policy = _content_security_policy(origin)
    is_local = is_loopback(urlsplit(supabase_url).hostname or "")

    @app.get("/")
    def page() -> ResponseReturnValue:
        if not (built / "index.html").is_file():
            return Response("The page is not built: run make build.\n", 503, mimetype="text/plain")
        response = send_from_directory(built, "index.html")
        response.headers["Cache-Control"] = "no-cache"
        return response

    @app.get("/icon.svg")
    def icon() -> ResponseReturnValue:
        return send_from_directory(built, "icon.svg", max_age=86_400)

    @app.get("/assets/<path:name>")
    def asset(name: str) -> ResponseReturnValue:
        response = send_from_directory(built / "assets", name)
        # Flask-Compress compresses only responses that are not streamed.
        response.direct_passthrough = False
        response.set_data(response.get_data())
        response.headers["Cache-Control"] = FOR_EVER
        return response

    @app.get("/config.json")
    def config() -> ResponseReturnValue:
        if is_local and not _is_asked_by_own_name():
            return Response("Only by a name of this machine: 127.0.0.1 or localhost.\n", 403, mimetype="text/plain")
        response = jsonify(supabaseUrl=supabase_url.rstrip("/"), publishableKey=publishable_key)
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.get("/healthz")
    def healthz() -> ResponseReturnValue:
        return jsonify(status="ok")

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> ResponseReturnValue:
        # Also for unknown paths under /api, so that programs get all errors in one format.
        return respond(of_framework(error)) if request.path.startswith("/api/") else error

    @app.after_request
    def guard(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return app


def tell_of_address(supabase_url: str, host: str) -> None:
    """Log a warning if other machines can reach the page, but not its Supabase project."""
    project = urlsplit(supabase_url).hostname or ""
    if is_loopback(project) and not is_loopback(host):
        log.warning(
            "Others get the page, but SUPABASE_URL is this machine's alone.", action="project_is_local", host=host
        )


def _is_asked_by_own_name() -> bool:
    """Prevents DNS rebinding: another site can point its own name at 127.0.0.1 and let a browser read it."""
    try:
        return is_loopback(urlsplit(f"//{request.host}").hostname or "")
    except ValueError:
        return False


def _origin(supabase_url: str) -> str:
    """Scheme and host only: a path or a semicolon in the URL must not extend the Content-Security-Policy."""
    parts = urlsplit(supabase_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or set(parts.netloc) & set(" ;,@"):
        raise ValueError("The Supabase URL must look like https://<project>.supabase.co.")
    return f"{parts.scheme}://{parts.netloc}"


def _content_security_policy(origin: str) -> str:
    sockets = origin.replace("http", "ws", 1)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src 'self' {origin} {sockets}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        )
    )
