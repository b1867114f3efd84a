-- The list of chats: each with the number of its messages, in one read.

create view public.chat_session_summaries
with (security_invoker = true) -- the caller's row-level security decides; a plain view would show everybody's
as
select s.id, s.user_id, s.post_analysis_id, s.status, s.last_turn,
  -- One look at each session that is asked for, and none at the others.
  (select count(*)::integer from public.current_chat_messages m where m.session_id = s.id) as message_count,
  s.created_at, s.updated_at
from public.chat_sessions s;

comment on view public.chat_session_summaries is
  'The chat sessions with the number of their messages. The owner reads.';
comment on column public.chat_session_summaries.last_turn is 'The number of the newest question.';
comment on column public.chat_session_summaries.message_count is
  'Questions, and questions that have an answer: several versions of one answer count once, and what was replaced does not.';
comment on column public.chat_session_summaries.updated_at is 'When the newest message was written.';

revoke all on table public.chat_session_summaries from public, anon, authenticated, service_role;
grant select on table public.chat_session_summaries to authenticated;
