-- What the reconciler has found: see reconcile_replies.

create table private.reconciler (
  id boolean primary key default true,
  last_run_at timestamptz not null default '-infinity',
  mended bigint not null default 0,
  set_aside bigint not null default 0,
  refuses_questions boolean not null default false,
  constraint one_row check (id)
);

insert into private.reconciler default values;

comment on table private.reconciler is 'One row: what the reconciler has found.';
comment on column private.reconciler.mended is 'Replies without a place in the queue and places without a reply that were mended. Must stay 0.';
comment on column private.reconciler.set_aside is 'How often a row of the queue was put off, or could not be mended, because the database raised an error for it.';
comment on column private.reconciler.refuses_questions is
  'At the pace of the last minute, a new question would be given up for its age before its turn came.';

revoke all on table private.reconciler from public, anon, authenticated, service_role;
alter table private.reconciler enable row level security;
