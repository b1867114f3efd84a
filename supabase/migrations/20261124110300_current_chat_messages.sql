-- What a chat is made of: its questions but the replaced ones, each with the newest version of its answer.

create view public.current_chat_messages
with (security_invoker = true) -- the caller's row-level security decides; a plain view would show everybody's
as
select m.*
from public.chat_messages m
where not exists (select from public.chat_messages other where other.replaces = coalesce(m.reply_to, m.id))
  and not exists (
    select from public.chat_messages newer where newer.reply_to = m.reply_to and newer.version > m.version);

comment on view public.current_chat_messages is
  'The messages without replaced questions and earlier versions of answers. While a version is being made, and when it fails, the one before it is current. The owner reads.';
comment on column public.current_chat_messages.version is 'Answers only: the newest one stored.';

revoke all on table public.current_chat_messages from public, anon, authenticated, service_role;
grant select on table public.current_chat_messages to authenticated, service_role;

-- The model is told what is current, and nothing else.
create or replace function private.reply_context(of_message uuid) returns jsonb
language sql stable
set search_path = ''
begin atomic
  select jsonb_build_object(
    'question', question.content,
    -- Answered questions and their answers: the newest twenty before this one, whatever came after it.
    'history', coalesce((
      select jsonb_agg(jsonb_build_object('role', h.role, 'content', h.content) order by h.turn, h.role desc)
      from (
        select m.turn, m.role, m.content
        from public.current_chat_messages m
        where m.session_id = question.session_id and m.turn < question.turn
          and (m.role = 'assistant' or exists (select from public.chat_messages a where a.reply_to = m.id))
        order by m.turn desc, m.role
        limit 20
      ) as h), '[]'),
    'posts', jsonb_build_array(to_jsonb(p) - 'user_id'),
    'analyses', jsonb_build_array(to_jsonb(a) - 'user_id' - 'analysis'))
  from public.chat_messages question
  join public.chat_sessions session on session.id = question.session_id
  join public.post_analyses a on a.id = session.post_analysis_id
  join public.posts p on p.id = a.post_id
  where question.id = of_message;
end;

-- And the list of chats counts what a reader sees.
create or replace view public.chat_session_summaries
with (security_invoker = true)
as
select s.id, s.user_id, s.post_analysis_id, s.status, s.last_turn,
  -- One look at each session that is asked for, and none at the others.
  (select count(*)::integer from public.current_chat_messages m where m.session_id = s.id) as message_count,
  s.created_at, s.updated_at
from public.chat_sessions s;

comment on column public.chat_session_summaries.message_count is
  'Questions, and questions that have an answer: several versions of one answer count once, and what was replaced does not.';
