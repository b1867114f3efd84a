"""Telemetry: log lines, metrics, traces."""
