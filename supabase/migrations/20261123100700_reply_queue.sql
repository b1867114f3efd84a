-- What is to be answered now. One row per session that has something to answer: the primary key *is* the
-- promise that a session has one reply in flight.

create table private.reply_queue (
  session_id uuid primary key references public.chat_sessions (id) on delete cascade,
  message_id uuid not null unique references public.chat_replies (message_id) on delete cascade,
  due_at timestamptz not null default now(),
  worker_id uuid,
  attempt integer not null default 0,
  tries integer not null default 0,
  cancel_requested_at timestamptz
)
-- Every lease is renewed once a second, and due_at is indexed: dead rows must go before they slow the claim.
with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

create index reply_queue_due_at_idx on private.reply_queue (due_at);

comment on table private.reply_queue is 'The reply queue: for each session the one reply that is due, or being answered.';
comment on column private.reply_queue.due_at is
  'When this may be claimed: at once, after a back-off, or when the lease of its worker ends. One rule for all.';
comment on column private.reply_queue.worker_id is 'The worker that holds it; empty while nobody does.';
comment on column private.reply_queue.attempt is 'The attempt that holds it. (message_id, worker_id, attempt) is the fence.';
comment on column private.reply_queue.tries is 'Attempts spent of the budget; a retry by the user starts again from 0.';
comment on column private.reply_queue.cancel_requested_at is 'The author asked to stop; the worker settles it.';

revoke all on table private.reply_queue from public, anon, authenticated, service_role;
-- No policies: nobody but its owner, through functions, ever comes here.
alter table private.reply_queue enable row level security;

create function private.max_tries() returns integer
language sql immutable
set search_path = ''
return 4;

comment on function private.max_tries() is 'How many attempts a reply may spend before it is settled as failed.';

revoke all on function private.max_tries() from public, anon, authenticated, service_role;
