"""An environment that a worker can start in."""

from collections.abc import Callable

SECRET = "sb_secret_7f3a"
KEY = "gemini-key-7f3a"
GOOD = {
    "SUPABASE_URL": "https://abc.supabase.co",
    "SUPABASE_SECRET_KEY": SECRET,
    "GEMINI_API_KEY": KEY,
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_abc",
}

Environment = Callable[..., None]
"""Puts names and values into it; None takes a name away."""
