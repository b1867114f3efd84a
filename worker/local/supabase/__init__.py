"""What stands in for Supabase's Postgres, API, Auth and CLI on this machine."""
