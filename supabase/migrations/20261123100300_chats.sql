-- One chat for each analysed post, and what was said in it. Messages are append-only: one is never changed,
-- so a client may keep what it has read.

create table public.chat_sessions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  post_analysis_id uuid not null,
  status text not null default 'active',
  last_turn integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint one_chat_session_per_analysis unique (post_analysis_id),
  constraint chat_sessions_id_user_id_key unique (id, user_id),
  constraint analysis_belongs_to_user foreign key (post_analysis_id, user_id)
    references public.post_analyses (id, user_id) on delete cascade,
  constraint session_status_is_known check (status in ('active', 'archived'))
);

create index chat_sessions_user_id_idx on public.chat_sessions (user_id, updated_at desc);

comment on index public.chat_sessions_user_id_idx is 'The owner''s chats, the most recently used first.';
comment on index public.one_chat_session_per_analysis is 'The chat of an analysis; and what goes with one.';
comment on index public.chat_sessions_id_user_id_key is 'What the keys of messages and replies refer to.';

comment on table public.chat_sessions is
  'One chat per analysed post. The owner reads, opens, archives, reopens and deletes; deleting takes its messages along.';
comment on column public.chat_sessions.status is 'active, or archived: readable, but it takes no more questions.';
comment on column public.chat_sessions.last_turn is 'The number of the newest question. Counted by the database.';
comment on column public.chat_sessions.updated_at is 'When the newest message was written.';

revoke all on table public.chat_sessions from public, anon, authenticated, service_role;
grant select, delete on table public.chat_sessions to authenticated;
-- Not the id: whoever could choose it could take the id, and with it the channel, of a chat that was deleted.
grant insert (user_id, post_analysis_id) on table public.chat_sessions to authenticated;
grant update (status) on table public.chat_sessions to authenticated;
grant select on table public.chat_sessions to service_role;

alter table public.chat_sessions enable row level security;

create policy "Owners read their chat sessions" on public.chat_sessions
  for select to authenticated
  using (user_id = (select auth.uid()));

-- The look at the analysis comes before any unique key is tried: another's analysis, with or without
-- a chat, and a missing one are refused alike.
create policy "Users open chat sessions on their own analyses" on public.chat_sessions
  for insert to authenticated
  with check (
    user_id = (select auth.uid())
    and exists (
      select from public.post_analyses a
      where a.id = post_analysis_id and a.user_id = (select auth.uid())
    )
  );

create policy "Owners archive and reopen their chat sessions" on public.chat_sessions
  for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));

create policy "Owners delete their chat sessions" on public.chat_sessions
  for delete to authenticated
  using (user_id = (select auth.uid()));

create table public.chat_messages (
  id uuid primary key default gen_random_uuid(),
  session_id uuid not null,
  user_id uuid not null,
  role text not null default 'user',
  content text not null,
  turn integer not null,
  reply_to uuid references public.chat_messages (id) on delete cascade,
  version integer,
  tokens_used integer,
  model text,
  finish_reason text,
  replaces uuid,
  created_at timestamptz not null default now(),
  constraint chat_messages_id_session_id_key unique (id, session_id),
  constraint session_belongs_to_user foreign key (session_id, user_id)
    references public.chat_sessions (id, user_id) on delete cascade,
  -- Whatever a trigger may have overlooked: a question of another chat can never be replaced.
  constraint replaces_a_question_of_the_same_session foreign key (replaces, session_id)
    references public.chat_messages (id, session_id) on delete set null (replaces),
  constraint only_questions_replace check (replaces is null or role = 'user'),
  constraint no_question_replaces_itself check (replaces <> id),
  constraint message_role_is_known check (role in ('user', 'assistant')),
  constraint only_answers_reply_to_a_question check ((role = 'assistant') = (reply_to is not null)),
  constraint only_answers_have_a_version check ((role = 'assistant') = (version is not null)),
  constraint user_message_is_1_to_4000_characters
    check (role <> 'user' or char_length(content) between 1 and 4000),
  -- Something to see in it. These are Unicode's White_Space, Default_Ignorable_Code_Point, controls and formats, and
  -- the Braille blank; worker/text.py has the same.
  constraint user_message_is_not_blank check (
    role <> 'user'
    or content ~ '[^\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2'
      '\u115f-\u1160\u1680\u17b4-\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164'
      '\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3'
      '\U0001d173-\U0001d17a\U000e0000-\U000e0fff]'
  ),
  constraint answer_is_not_empty check (role <> 'assistant' or content <> '')
);

-- Two questions can never both replace a third. Few replace any.
create unique index one_replacement_per_question on public.chat_messages (replaces) where replaces is not null;
-- A second answer of one version is impossible, whoever tries.
create unique index one_answer_per_version on public.chat_messages (reply_to, version) where reply_to is not null;
-- Two questions can never share a turn, whatever inserts them: of both the version is null.
create unique index one_message_per_turn on public.chat_messages (session_id, turn, role, version) nulls not distinct;
create index chat_messages_user_id_idx on public.chat_messages (user_id);

comment on index public.one_message_per_turn is
  'History, context and paging: a session by turn; and what goes with a session.';
comment on index public.one_replacement_per_question is 'Whether a question was replaced.';
comment on index public.one_answer_per_version is 'The answers of a question; and what goes with one.';
comment on index public.chat_messages_user_id_idx is
  'The owner''s messages where no session is named: row-level security alone would read everybody''s.';
comment on index public.chat_messages_id_session_id_key is 'What the key of replaces refers to.';

comment on table public.chat_messages is
  'The messages of the chats, append-only. Users insert (id, session_id, role, content, replaces) of their own; a row added here by hand is answered like any other. Order by turn, role descending, version: rows of one insert share their created_at.';
comment on column public.chat_messages.id is
  'The client may choose it, so that sending again is harmless. An id that was deleted is never accepted again.';
comment on column public.chat_messages.user_id is 'The owner of the session; filled in when left empty.';
comment on column public.chat_messages.role is 'user or assistant.';
comment on column public.chat_messages.turn is
  'A question and its answers share a turn, counted within the session by the database.';
comment on column public.chat_messages.reply_to is 'Answers only: the question.';
comment on column public.chat_messages.version is 'Answers only: 1, then one more for each regeneration.';
comment on column public.chat_messages.tokens_used is 'Answers only: all tokens of the call: prompt, answer and thoughts.';
comment on column public.chat_messages.model is 'Answers only: the model version that answered.';
comment on column public.chat_messages.finish_reason is
  'Answers only: stop; max_tokens: cut by the limit; repeating: ended because it said the same again and again; cancelled: what was shown when the user stopped it.';
comment on column public.chat_messages.replaces is
  'Questions only: the question before it, when this one takes its place. Only the newest can be replaced; both rows stay.';

revoke all on table public.chat_messages from public, anon, authenticated, service_role;
grant select on table public.chat_messages to authenticated, service_role;
grant insert (id, session_id, role, content, replaces) on table public.chat_messages to authenticated, service_role;

alter table public.chat_messages enable row level security;

create policy "Owners read the messages of their chat sessions" on public.chat_messages
  for select to authenticated
  using (user_id = (select auth.uid()));

create policy "Owners ask in their chat sessions" on public.chat_messages
  for insert to authenticated
  with check (
    role = 'user'
    and user_id = (select auth.uid())
    and exists (
      select from public.chat_sessions s
      where s.id = session_id and s.user_id = (select auth.uid())
    )
  );

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
