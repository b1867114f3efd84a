-- One chat for each analysed post.

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
