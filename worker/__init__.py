"""PostBro Chat's worker: woken through Supabase Realtime, it answers questions with Gemini."""
