"""How the stack of the acceptance tests is started."""

PACE_MS = "20"

FAULTS = {"REALTIME_FAULTS": "true"}

ELSEWHERE = "supabase.test"  # a name that a proxy knows, and nobody else

UNLIKE_LOCAL = "0.0.0.0"
