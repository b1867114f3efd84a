"""PostBro Chat's worker: woken through Supabase Realtime, it answers questions with Gemini."""

__version__ = "0.1.0"
