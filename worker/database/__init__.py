"""The interface to the database: its functions, called by name over the Supabase API."""
