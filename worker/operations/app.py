"""The app on OPS_PORT: `/ops` and `/metrics`, with one access check. Health has a port of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask

from worker.operations.gate import Gate
from worker.operations.metrics_endpoint import add_metrics
from worker.operations.page import BUILT, add_ops_page


def create_ops_app(
    read_figures: Callable[[], dict[str, Any]],
    problems: Callable[[], dict[str, str]],
    token: str | None,
    built: Path = BUILT,
) -> Flask:
    """`read_figures` and `problems`: see `add_ops_page`. Without a `token`, only requests of this machine are
    answered."""
    app = Flask(__name__, static_folder=None)
    gate = Gate(token)
    add_ops_page(app, read_figures, problems, gate, built)
    add_metrics(app, gate)
    return app
