-- The text of an answer so far, for a client that comes late or missed a piece.
-- Apart from chat_replies, so that saving it once a second wakes nobody.

create table public.chat_reply_drafts (
  message_id uuid primary key references public.chat_replies (message_id) on delete cascade,
  session_id uuid not null,
  user_id uuid not null,
  attempt integer not null,
  content text not null,
  updated_at timestamptz not null default now()
  -- No key to the session: it goes with its reply, and one more lock on the session at each save
  -- would wait in a ring with a user who deletes the chat.
)
-- Rewritten once a second while an answer streams: room on the page keeps those updates in place.
with (fillfactor = 50);

create index chat_reply_drafts_session_id_idx on public.chat_reply_drafts (session_id);
create index chat_reply_drafts_user_id_idx on public.chat_reply_drafts (user_id);

comment on table public.chat_reply_drafts is
  'The text so far of answers being streamed, saved about once a second, gone when the reply is settled.';
comment on column public.chat_reply_drafts.attempt is
  'The attempt that wrote this text. Another attempt starts afresh: never join the texts of two.';

revoke all on table public.chat_reply_drafts from public, anon, authenticated, service_role;
grant select on table public.chat_reply_drafts to authenticated;

alter table public.chat_reply_drafts enable row level security;

create policy "Owners read the drafts of their replies" on public.chat_reply_drafts
  for select to authenticated
  using (user_id = (select auth.uid()));
