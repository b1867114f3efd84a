"""How the stack of the acceptance tests is started."""

PACE_MS = "20"

FAULTS = {"REALTIME_FAULTS": "true"}

ELSEWHERE = "supabase.test"  # a name that only the test's proxy can resolve

UNLIKE_LOCAL = "0.0.0.0"
