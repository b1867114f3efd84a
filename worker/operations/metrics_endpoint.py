"""`/metrics` on OPS_PORT, in Prometheus' formats, with the same access check as the operator's page."""

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from prometheus_client.exposition import choose_encoder

from worker.operations.gate import Gate
from worker.telemetry.metrics import REGISTRY


def add_metrics(app: Flask, gate: Gate) -> None:
    @app.get("/metrics")
    def metrics() -> ResponseReturnValue:
        if refusal := gate.refusal():
            return Response(f"{refusal.words}\n", refusal.status, refusal.headers, mimetype="text/plain")
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(REGISTRY), content_type=content_type)
