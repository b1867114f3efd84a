"""Which secrets each process of the local stack gets in its environment: only those that it needs."""

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
"""The publishable key is not secret; it is listed so that each process gets only the variables that it reads."""

# PGPASSWORD is libpq's variable for a password.
ALL = frozenset[str]().union(*OF_SERVICE.values()) | {"DATABASE_URL", "PGPASSWORD"}


def withheld_from(service: str) -> frozenset[str]:
    """Variables to remove from the environment of this service, whether this program or the user has set them."""
    return ALL - OF_SERVICE[service]
