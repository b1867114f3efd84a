"""The two doors to Supabase Realtime: wake-ups in, pieces of text out."""
