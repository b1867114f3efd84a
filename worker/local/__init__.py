"""The local stack: Supabase without Docker, for this machine only. No other part of the worker imports it."""
