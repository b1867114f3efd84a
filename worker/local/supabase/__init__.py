"""Supabase's Postgres, API and Auth on this machine, and the Supabase CLI."""
