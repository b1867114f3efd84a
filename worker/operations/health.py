"""`/healthz` and `/readyz` on HEALTH_PORT: whether the process is alive, and whether it can work.

They never call the database or wait, so that load on the other ports does not delay them.
"""

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

    `is_alive`: False if a supervisor should restart the process. `report`: the present problems, by name, such as
    {"realtime": "Not subscribed to wake-ups for 12 s: …"}; empty if there are none. `notices`: conditions that an
    operator has chosen, such as a pause, also by name; they do not change the status. All three are called in other
    threads, at every request.
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
