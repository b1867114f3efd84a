"""`/metrics` of the worker's private port, in Prometheus' formats. Guarded like the operator's page."""

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from prometheus_client.exposition import choose_encoder

from worker.metrics import REGISTRY
from worker.web.ops_page import may_enter


def add_metrics(app: Flask, token: str | None) -> None:
    """With a `token`, Prometheus sends it as a bearer; without one, it asks by a name of this machine."""

    @app.get("/metrics")
    def metrics() -> ResponseReturnValue:
        if not may_enter(token):
            words = (
                "Send OPS_TOKEN as a bearer." if token else "Only by a name of this machine: 127.0.0.1 or localhost."
            )
            headers = {"WWW-Authenticate": "Bearer"} if token else {}
            return Response(f"{words}\n", 401 if token else 403, headers, mimetype="text/plain")
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(REGISTRY), content_type=content_type)
