"""A stand-in for Supabase Realtime, in one process: the same wire protocol, on the local Postgres.

A browser's frame goes `socket` → `channel` → `rooms` → every other `socket`. A committed row goes
`capture` → `broadcasts` or `changes` → `rooms` or `socket`. Who may do what is asked of Postgres, in
`authorization` and `rows`.
"""
