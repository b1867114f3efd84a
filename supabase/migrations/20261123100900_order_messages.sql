-- Every message gets its turn from the session, under the session's lock: order is never a matter of clocks.

create function private.order_question(new_message public.chat_messages) returns public.chat_messages
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

  update public.chat_sessions s set last_turn = s.last_turn + 1, updated_at = now()
  where s.id = session.id
  returning s.last_turn into new_message.turn;
  return new_message;
end
$$;

create function private.order_answer(new_message public.chat_messages) returns public.chat_messages
language plpgsql
set search_path = ''
as $$
begin
  select m.session_id, m.user_id, m.turn
  into new_message.session_id, new_message.user_id, new_message.turn
  from public.chat_messages m
  where m.id = new_message.reply_to and m.role = 'user';

  update public.chat_sessions s set updated_at = now() where s.id = new_message.session_id;
  return new_message;
end
$$;

create function private.order_message() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- Without a question it is no answer, whatever its role says: row-level security or a CHECK refuses it.
  if new.reply_to is null then
    return private.order_question(new);
  end if;
  return private.order_answer(new);
end
$$;

create trigger order_message before insert on public.chat_messages
  for each row execute function private.order_message();

comment on function private.order_message() is
  'Gives a message its turn, and refuses an archived session to whoever may know that it exists.';

revoke all on function private.order_question(public.chat_messages) from public, anon, authenticated, service_role;
revoke all on function private.order_answer(public.chat_messages) from public, anon, authenticated, service_role;
revoke all on function private.order_message() from public, anon, authenticated, service_role;
