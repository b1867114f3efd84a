"""A stand-in for Supabase Realtime: the same protocol, in one process, on the local Postgres.

`handshake` opens a socket, and `socket` handles its frames one after another. `join` checks a join, which creates a
`channel`. `access` holds the channel's identity and its expiry; frames for a channel wait in its `inbox`.

A browser's broadcast goes `channel` → `rooms` → every other `channel`; one over HTTP begins in `rest`. A committed
row goes `capture` → `broadcasts` → `rooms`, or `capture` → `changes` → `delivery` → `channel`. `authorization` and
`rows` check permissions in Postgres; `limits` has the rate limits.

`cold_start`, `partitions` and `faults` simulate failures of a hosted project.
"""
