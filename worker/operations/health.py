"""Is the process alive, and is it able to work: what a supervisor and an operator ask, on a port of its own.

Nothing here asks the database or waits for anything: whoever is at the other ports cannot hold it up."""

from collections.abc import Callable

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue

from worker.network.serving import Server, serve_in_thread

__all__ = ["Server", "create_health_app", "serve_in_thread"]


def create_health_app(
    report: Callable[[], dict[str, str]],
    is_alive: Callable[[], bool],
    notices: Callable[[], dict[str, str]] = dict,
) -> Flask:
    """The app of `/healthz` and `/readyz`.

    `is_alive` says whether the process is worth keeping, however badly its surroundings do. `report` gives what
    is wrong now, by name: {"realtime": "Not subscribed to wake-ups for 12 s: …"}, or nothing. `notices` gives what is
    as somebody wants it and worth knowing, also by name: with it, the worker is as ready as without. All of them are
    called from other threads, at every request.
    """
    app = Flask(__name__, static_folder=None)

    @app.get("/healthz")
    def healthz() -> ResponseReturnValue:
        if not is_alive():
            return jsonify(status="stuck", problem="The event loop stands still: start the worker again."), 503
        return jsonify(status="ok")

    @app.get("/readyz")
    def readyz() -> ResponseReturnValue:
        problems = report()
        told = {"problems": problems, **({"notices": found} if (found := notices()) else {})}
        if problems:
            return jsonify(status="degraded", **told), 503
        return jsonify(status="ready", **told)

    return app
