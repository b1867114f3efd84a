-- A question can be put again in other words: the new one names the one that it replaces. Both stay,
-- for messages are never changed; what is current is told by current_chat_messages.

alter table public.chat_messages
  add column replaces uuid references public.chat_messages (id) on delete set null,
  -- Two of them can never both win.
  add constraint one_replacement_per_question unique (replaces),
  add constraint only_questions_replace check (replaces is null or role = 'user'),
  add constraint no_question_replaces_itself check (replaces <> id);

grant insert (replaces) on table public.chat_messages to authenticated, service_role;

comment on table public.chat_messages is
  'The messages of the chats, append-only. Users insert (id, session_id, role, content, replaces) of their own; a row added here by hand is answered like any other. Order by turn, role descending, version: rows of one insert share their created_at.';
comment on column public.chat_messages.replaces is
  'Questions only: the question before it, when this one takes its place. Only the newest can be replaced.';

create function private.replace_question(new_message public.chat_messages) returns void
language plpgsql
set search_path = ''
as $$
declare
  replaced public.chat_messages;
begin
  select * into replaced from public.chat_messages m
  where m.id = new_message.replaces and m.session_id = new_message.session_id and m.role = 'user';
  -- Another chat's question and a missing one look the same.
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such message.', hint = 'not_found';
  end if;
  if replaced.turn <> (select s.last_turn from public.chat_sessions s where s.id = replaced.session_id) then
    raise sqlstate 'PT409' using message = 'Only the newest question can be replaced.', hint = 'reply_state';
  end if;
  -- The new one waits behind it: a session has one reply in flight, and this may be it for a moment longer.
  if exists (
    select from public.chat_replies r
    where r.message_id = replaced.id and r.status in ('pending', 'answering'))
  then
    perform private.stop_reply(replaced.id);
  end if;
end
$$;

create or replace function private.order_question(new_message public.chat_messages) returns public.chat_messages
language plpgsql
set search_path = ''
as $$
declare
  session public.chat_sessions;
  caller_is_a_user constant boolean := current_setting('role', true) in ('anon', 'authenticated');
begin
  select * into session from public.chat_sessions s where s.id = new_message.session_id;
  -- Before any lock and any word: a stranger gets row-level security's answer and no other, and holds up nobody.
  if caller_is_a_user and (session.id is null or session.user_id is distinct from (select auth.uid())) then
    return new_message;
  end if;
  if session.id is null then
    raise sqlstate 'PT404' using message = 'There is no such chat session.', hint = 'not_found';
  end if;

  -- One user at a time, then one session at a time: the flood guard counts over all of a user's sessions.
  perform pg_catalog.pg_advisory_xact_lock(
    pg_catalog.hashtext('chat_messages.user_id'), pg_catalog.hashtext(session.user_id::text));
  select * into session from public.chat_sessions s where s.id = new_message.session_id for no key update;
  new_message.user_id := coalesce(new_message.user_id, session.user_id);

  -- Sent again after a lost answer: the primary key decides, and neither a turn nor a refusal is spent on it.
  if exists (select from public.chat_messages m where m.id = new_message.id) then
    new_message.turn := session.last_turn;
    return new_message;
  end if;

  if session.status = 'archived' then
    raise sqlstate 'PT409'
      using message = 'This chat is archived. Reopen it to ask more.', hint = 'session_archived';
  end if;
  if new_message.replaces is not null then
    perform private.replace_question(new_message);
  end if;

  update public.chat_sessions s set last_turn = s.last_turn + 1, updated_at = now()
  where s.id = session.id
  returning s.last_turn into new_message.turn;
  return new_message;
end
$$;

comment on function private.replace_question(public.chat_messages) is
  'Refuses to replace any but the newest question, and stops its reply. The caller holds the session''s lock.';

revoke all on function private.replace_question(public.chat_messages) from public, anon, authenticated, service_role;
