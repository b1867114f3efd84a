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

-- The text of an answer so far, for a client that comes late or missed a piece. Saved as pieces that are appended
-- and never rewritten: saving the whole text again and again would write some twenty bytes of log for each byte.
create table private.draft_pieces (
  message_id uuid not null,
  attempt integer not null,
  version integer not null,
  starts_at integer not null,
  content text not null,
  saved_at timestamptz not null default now(),
  primary key (message_id, attempt, version, starts_at)
  -- No key to the reply: checking it would wait for whoever deletes the message, and save_drafts waits for nobody.
);

comment on table private.draft_pieces is
  'Pieces of the answers that are being streamed, appended every 3 seconds or 500 characters. They end with their attempt.';
comment on column private.draft_pieces.message_id is 'The question.';
comment on column private.draft_pieces.attempt is 'The attempt that wrote it. Texts of two attempts are never joined.';
comment on column private.draft_pieces.version is 'The version of the answer that it belongs to.';
comment on column private.draft_pieces.starts_at is 'Where it belongs in the answer, in characters.';

revoke all on table private.draft_pieces from public, anon, authenticated, service_role;
alter table private.draft_pieces enable row level security;

create function private.draft_text(of_message uuid, of_attempt integer, of_version integer) returns text
language sql stable
set search_path = ''
begin atomic
  select coalesce(string_agg(p.content, '' order by p.starts_at), '')
  from (
    select d.content, d.starts_at,
      sum(char_length(d.content)) over (order by d.starts_at) - char_length(d.content) as joins_on_at
    from private.draft_pieces d
    where d.message_id = of_message and d.attempt = of_attempt and d.version = of_version
  ) as p
  where p.starts_at = p.joins_on_at;
end;
comment on function private.draft_text(uuid, integer, integer) is
  'The pieces of one attempt joined, from the beginning up to the first gap.';
revoke all on function private.draft_text(uuid, integer, integer) from public, anon, authenticated, service_role;

create function private.own_drafts()
returns table (
  message_id uuid, session_id uuid, user_id uuid, attempt integer, content text, updated_at timestamptz)
language sql stable security definer
set search_path = ''
rows 2
begin atomic
  select r.message_id, r.session_id, r.user_id, r.attempt,
    private.draft_text(r.message_id, r.attempt, r.version), saved.at
  from public.chat_replies r
  cross join lateral (
    select max(d.saved_at) as at
    from private.draft_pieces d
    where d.message_id = r.message_id and d.attempt = r.attempt and d.version = r.version
  ) as saved
  where r.user_id = (select auth.uid()) and r.status in ('pending', 'answering') and saved.at is not null;
end;
comment on function private.own_drafts() is 'The drafts of the caller''s own replies.';
revoke all on function private.own_drafts() from public, anon, authenticated, service_role;
grant execute on function private.own_drafts() to authenticated;

create view public.chat_reply_drafts
with (security_invoker = true)
as
select d.message_id, d.session_id, d.user_id, d.attempt, d.content, d.updated_at from private.own_drafts() as d;

comment on view public.chat_reply_drafts is
  'The text so far of answers being streamed, saved every 3 seconds or 500 characters, gone when the attempt is over. The owner reads.';
comment on column public.chat_reply_drafts.attempt is
  'The attempt that wrote this text. Another attempt starts afresh: never join the texts of two.';
revoke all on table public.chat_reply_drafts from public, anon, authenticated, service_role;
grant select on table public.chat_reply_drafts to authenticated;

-- What PostgREST calls a computed relationship: chat_replies can be read with its draft embedded.
create function public.chat_reply_drafts(public.chat_replies) returns setof public.chat_reply_drafts
language sql stable
set search_path = ''
rows 1
begin atomic
  select d.message_id, d.session_id, d.user_id, d.attempt, d.content, d.updated_at
  from public.chat_reply_drafts d
  where d.message_id = $1.message_id and $1.status in ('pending', 'answering');
end;
comment on function public.chat_reply_drafts(public.chat_replies) is
  'Lets the API embed the draft of a reply: select=*,draft:chat_reply_drafts(attempt,content).';
revoke all on function public.chat_reply_drafts(public.chat_replies) from public, anon, authenticated, service_role;
grant execute on function public.chat_reply_drafts(public.chat_replies) to authenticated;
