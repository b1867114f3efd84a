"""The two interfaces to Supabase Realtime: wake-ups are received, pieces of text are sent."""
