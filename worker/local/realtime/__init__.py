"""A stand-in for Supabase Realtime, in one process: the same wire protocol, on the local Postgres.

A socket is opened in `handshake`, and its frames are read in `socket`, one after another. A join passes `join`, and
makes a `channel`, whose `access` says for whom it speaks, and for how long; what it is sent goes through its `inbox`.

A browser's broadcast goes `channel` → `rooms` → every other `channel`; one over HTTP begins in `rest`. A committed
row goes `capture` → `broadcasts` → `rooms`, or `capture` → `changes` → `delivery` → `channel`. Who may do what is
asked of Postgres, in `authorization` and `rows`; how much of it, of `limits`.

A hosted project's bad days are played by `cold_start`, `partitions` and `faults`.
"""
