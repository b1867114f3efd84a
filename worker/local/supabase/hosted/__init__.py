"""A hosted project's manners, before the local API; worker/local/supabase/hosted/README.md says which."""
