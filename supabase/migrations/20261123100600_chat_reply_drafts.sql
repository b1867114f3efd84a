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

create view public.chat_reply_drafts
with (security_invoker = true)
as
select d.message_id, d.session_id, d.user_id, d.attempt, d.content, d.updated_at from private.own_drafts() as d;

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

comment on view public.chat_reply_drafts is
  'The text so far of answers being streamed, saved every 3 seconds or 500 characters, gone when the attempt is over. The owner reads.';
comment on column public.chat_reply_drafts.attempt is
  'The attempt that wrote this text. Another attempt starts afresh: never join the texts of two.';
comment on function private.draft_text(uuid, integer, integer) is
  'The pieces of one attempt joined, from the beginning up to the first gap.';
comment on function private.own_drafts() is 'The drafts of the caller''s own replies.';
comment on function public.chat_reply_drafts(public.chat_replies) is
  'Lets the API embed the draft of a reply: select=*,draft:chat_reply_drafts(attempt,content).';

revoke all on function private.draft_text(uuid, integer, integer) from public, anon, authenticated, service_role;
revoke all on function private.own_drafts() from public, anon, authenticated, service_role;
revoke all on table public.chat_reply_drafts from public, anon, authenticated, service_role;
revoke all on function public.chat_reply_drafts(public.chat_replies) from public, anon, authenticated, service_role;
grant execute on function private.own_drafts() to authenticated;
grant select on table public.chat_reply_drafts to authenticated;
grant execute on function public.chat_reply_drafts(public.chat_replies) to authenticated;
