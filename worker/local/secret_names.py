"""Which secrets each process of the local stack is given: those that it needs and no others."""

OF_SERVICE: dict[str, frozenset[str]] = {
    "postgres": frozenset(),
    "realtime": frozenset(
        {"SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY", "SUPABASE_JWT_SECRET", "REALTIME_DATABASE_URL"}
    ),
    "api": frozenset({"SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY", "SUPABASE_JWT_SECRET", "LITE_DATABASE_URL"}),
    "manners": frozenset(),
    "model": frozenset(),
    "worker": frozenset(
        {
            "SUPABASE_SECRET_KEY",
            "GEMINI_API_KEY",
            "OPS_TOKEN",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        }
    ),
    "web": frozenset({"SUPABASE_PUBLISHABLE_KEY"}),
}
"""The publishable key is none to a browser: it is here so that each process has what it reads and no more."""

# Postgres' own variable: with it, and the rest of a URL, one is in.
ALL = frozenset[str]().union(*OF_SERVICE.values()) | {"DATABASE_URL", "PGPASSWORD"}


def withheld_from(service: str) -> frozenset[str]:
    """What this service is not given, whether we know it or whoever started us has set it."""
    return ALL - OF_SERVICE[service]
