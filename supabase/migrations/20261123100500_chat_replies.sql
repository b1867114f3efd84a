-- The state of one reply, for everybody to see: the page, the operator, the worker.

create function private.is_error_code(code text) returns boolean
language plpgsql immutable
set search_path = ''
as $$
begin
  return code in (
    'model_overloaded', 'rate_limited', 'model_unavailable', 'timed_out', 'content_blocked', 'empty_reply',
    'truncated', 'prompt_too_long', 'out_of_tries', 'waited_too_long', 'internal');
end
$$;

comment on function private.is_error_code(text) is 'The codes with which a reply or a call to the model may fail.';

revoke all on function private.is_error_code(text) from public, anon, authenticated, service_role;

create function private.max_versions() returns integer
language sql immutable
set search_path = ''
return 20;

comment on function private.max_versions() is 'How many versions an answer may have: all of them are stored, and sent to each page.';

revoke all on function private.max_versions() from public, anon, authenticated, service_role;

create table public.chat_replies (
  message_id uuid primary key references public.chat_messages (id) on delete cascade,
  session_id uuid not null,
  user_id uuid not null,
  status text not null default 'pending',
  attempt integer not null default 0,
  version integer not null default 1,
  error_code text,
  created_at timestamptz not null default now(),
  pending_since timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  constraint session_belongs_to_user foreign key (session_id, user_id)
    references public.chat_sessions (id, user_id) on delete cascade,
  constraint reply_status_is_known
    check (status in ('pending', 'answering', 'completed', 'failed', 'cancelled')),
  constraint error_code_is_known check (private.is_error_code(error_code)),
  constraint only_failures_have_an_error_code check ((status = 'failed') = (error_code is not null)),
  constraint attempt_is_not_negative check (attempt >= 0),
  constraint version_is_within_bounds check (version between 1 and private.max_versions())
);

-- What is unfinished is counted at every question (the flood guard) and searched at every settle (the next one).
create index unfinished_replies_of_session on public.chat_replies (session_id, status)
  where status in ('pending', 'answering');
create index unfinished_replies_of_user on public.chat_replies (user_id)
  where status in ('pending', 'answering');
create index chat_replies_session_id_idx on public.chat_replies (session_id, user_id);
create index chat_replies_user_id_idx on public.chat_replies (user_id);

comment on index public.unfinished_replies_of_session is 'What of a session is unfinished: the flood guard, the next reply.';
comment on index public.unfinished_replies_of_user is 'How much of a user''s is unfinished: the flood guard.';
comment on index public.chat_replies_session_id_idx is 'The replies of a session; and what goes with one.';
comment on index public.chat_replies_user_id_idx is
  'The owner''s replies where no session is named: row-level security alone would read everybody''s.';

comment on table public.chat_replies is
  'The state of the reply to each question: pending, answering, then completed, failed or cancelled. Set a failed one to pending here and it is answered afresh.';
comment on column public.chat_replies.message_id is 'The question.';
comment on column public.chat_replies.status is
  'pending: waits; answering: a worker has claimed it; completed: the answer is stored; failed: see error_code; cancelled: stopped by its author.';
comment on column public.chat_replies.attempt is 'Grows with each claim and each further call, and never goes back; numbers may be missing. It fences off a worker that lost its claim.';
comment on column public.chat_replies.version is 'The version of the answer that is asked for. Where it has no answer, the newest one stored stays current.';
comment on column public.chat_replies.error_code is 'Why it failed, one of a fixed list; never the provider''s own text.';
comment on column public.chat_replies.pending_since is
  'When this answer was asked for: by the question, a retry, or the next version. What waiting is counted from.';
comment on column public.chat_replies.started_at is 'When the present attempt began.';

revoke all on table public.chat_replies from public, anon, authenticated, service_role;
grant select on table public.chat_replies to authenticated, service_role;

alter table public.chat_replies enable row level security;

create policy "Owners see the state of their replies" on public.chat_replies
  for select to authenticated
  using (user_id = (select auth.uid()));
