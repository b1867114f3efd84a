-- Every message gets its turn from the session, under the session's lock: order is never a matter of clocks.

-- The order in which everybody locks is: user, session, message, queue, reply, ledger.
create function private.lock_user(of_user uuid) returns void
language plpgsql
set search_path = ''
set lock_timeout = '300ms'
as $$
begin
  perform pg_catalog.pg_advisory_xact_lock(
    pg_catalog.hashtext('chat_messages.user_id'), pg_catalog.hashtext(of_user::text));
exception when lock_not_available then
  perform private.refuse_busy();
end
$$;

create function private.lock_session(of_session uuid, of_user uuid) returns public.chat_sessions
language plpgsql
set search_path = ''
set lock_timeout = '300ms'
as $$
declare
  session public.chat_sessions;
begin
  -- One user at a time, then one session at a time: flood guard and quotas count over all of a user's sessions.
  perform private.lock_user(of_user);
  select * into session from public.chat_sessions s where s.id = of_session for no key update;
  return session;
exception when lock_not_available then
  perform private.refuse_busy();
end
$$;

-- Whom row-level security stops, whatever the name of the role. A definer runs as its owner: whom the API has become
-- for this request, only the setting tells.
create function private.caller_is_a_user() returns boolean
language sql stable
set search_path = ''
begin atomic
  select not exists (
    select from pg_catalog.pg_roles r
    where r.rolname = coalesce(nullif(current_setting('role', true), 'none'), session_user)
      and (r.rolsuper or r.rolbypassrls or pg_catalog.pg_has_role(r.oid, (
        select c.relowner from pg_catalog.pg_class c where c.oid = 'public.chat_messages'::regclass), 'usage')));
end;

create function private.is_sent_again(new_message public.chat_messages, of_owner uuid) returns boolean
language sql stable
set search_path = ''
begin atomic
  select exists (
    select from public.chat_messages m
    where m.id = new_message.id and m.session_id = new_message.session_id and m.user_id = of_owner
      and m.role = 'user' and m.content = new_message.content);
end;

create function private.replace_question(new_message public.chat_messages) returns void
language plpgsql
set search_path = ''
set lock_timeout = '300ms'
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
exception when lock_not_available then
  perform private.refuse_busy();
end
$$;

create function private.order_question(new_message public.chat_messages) returns public.chat_messages
language plpgsql
set search_path = ''
as $$
declare
  session public.chat_sessions;
begin
  select * into session from public.chat_sessions s where s.id = new_message.session_id;
  -- Before any lock and any word: a stranger gets row-level security's answer and no other, and holds up nobody.
  if private.caller_is_a_user() and (session.id is null or session.user_id is distinct from (select auth.uid())) then
    return new_message;
  end if;
  if session.id is null then
    raise sqlstate 'PT404' using message = 'There is no such chat session.', hint = 'not_found';
  end if;

  session := private.lock_session(session.id, session.user_id);
  if session.id is null then
    raise sqlstate 'PT404' using message = 'There is no such chat session.', hint = 'not_found';
  end if;
  new_message.user_id := coalesce(new_message.user_id, session.user_id);

  -- Sent again after a lost answer: the primary key refuses it, and neither a turn nor another refusal is spent on it.
  if private.is_sent_again(new_message, session.user_id) then
    new_message.turn := session.last_turn;
    return new_message;
  end if;
  -- Here and not by the primary key: an insert that ignores duplicates would have stopped a reply, and taken a turn.
  if exists (select from public.chat_messages m where m.id = new_message.id) then
    raise unique_violation using message = 'Another message has this id. Take another.';
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

comment on function private.lock_user(uuid) is
  'Locks a user for a command, for which it waits 300 ms at most; refuses with 429 busy.';
comment on function private.lock_session(uuid, uuid) is
  'Locks user and session for a command, for which it waits 300 ms at most; refuses with 429 busy.';
comment on function private.caller_is_a_user() is
  'Whether the caller is neither the service nor the owner, nor another whom no policy stops.';
comment on function private.is_sent_again(public.chat_messages, uuid) is
  'This very question is stored already: same id, session, owner and content.';
comment on function private.replace_question(public.chat_messages) is
  'Refuses to replace any but the newest question, and stops its reply. The caller holds the session''s lock.';
comment on function private.order_message() is
  'Gives a message its turn, and refuses an archived session to whoever may know that it exists.';

revoke all on function private.lock_user(uuid) from public, anon, authenticated, service_role;
revoke all on function private.lock_session(uuid, uuid) from public, anon, authenticated, service_role;
revoke all on function private.caller_is_a_user() from public, anon, authenticated, service_role;
revoke all on function private.is_sent_again(public.chat_messages, uuid) from public, anon, authenticated, service_role;
revoke all on function private.replace_question(public.chat_messages) from public, anon, authenticated, service_role;
revoke all on function private.order_question(public.chat_messages) from public, anon, authenticated, service_role;
revoke all on function private.order_answer(public.chat_messages) from public, anon, authenticated, service_role;
revoke all on function private.order_message() from public, anon, authenticated, service_role;
