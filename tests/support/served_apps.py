"""The page and the worker's ports as they are built, small, and with one script that is large."""

import os
from pathlib import Path

from flask import Flask

from worker.operations.gate import Gate
from worker.operations.health import create_health_app
from worker.operations.metrics_endpoint import add_metrics
from worker.operations.page import add_ops_page
from worker.web.app import create_page_app

BIG = os.urandom(600_000)  # a script that does not shrink

THREADS = 2


def page(built: Path) -> Flask:
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html>")
    (built / "icon.svg").write_text("<svg/>")
    (built / "assets/app.js").write_bytes(BIG)
    return create_page_app("https://abc.supabase.co", "sb_publishable_abc", built=built)


def private(built: Path) -> Flask:
    """Both of the worker's ports in one."""
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html>")
    (built / "assets/app.js").write_bytes(BIG)
    app, gate = create_health_app(dict, lambda: True), Gate(None)
    add_ops_page(app, dict, dict, gate, built)
    add_metrics(app, gate)
    return app


SCRIPTS = {page: "/assets/app.js", private: "/ops/assets/app.js"}
