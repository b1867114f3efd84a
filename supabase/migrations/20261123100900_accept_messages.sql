-- Every message gets its turn from the session, under the session's lock: order is never a matter of clocks.

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
comment on function private.caller_is_a_user() is
  'Whether the caller is neither the service nor the owner, nor another whom no policy stops.';
revoke all on function private.caller_is_a_user() from public, anon, authenticated, service_role;

create function private.is_sent_again(new_message public.chat_messages, of_owner uuid) returns boolean
language sql stable
set search_path = ''
begin atomic
  select exists (
    select from public.chat_messages m
    where m.id = new_message.id and m.session_id = new_message.session_id and m.user_id = of_owner
      and m.role = 'user' and m.content = new_message.content);
end;
comment on function private.is_sent_again(public.chat_messages, uuid) is
  'This very question is stored already: same id, session, owner and content.';
revoke all on function private.is_sent_again(public.chat_messages, uuid) from public, anon, authenticated, service_role;

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
comment on function private.replace_question(public.chat_messages) is
  'Refuses to replace any but the newest question, and stops its reply. The caller holds the session''s lock.';
revoke all on function private.replace_question(public.chat_messages) from public, anon, authenticated, service_role;

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
revoke all on function private.order_question(public.chat_messages) from public, anon, authenticated, service_role;

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
revoke all on function private.order_answer(public.chat_messages) from public, anon, authenticated, service_role;

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
comment on function private.order_message() is
  'Gives a message its turn, and refuses an archived session to whoever may know that it exists.';
revoke all on function private.order_message() from public, anon, authenticated, service_role;

create trigger order_message before insert on public.chat_messages
  for each row execute function private.order_message();

-- The row is the job: a question cannot exist without its reply.
create function private.open_reply() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- Under the user's lock, so that a claim never waits for it.
  insert into private.served_places (user_id, place) values (new.user_id, -1) on conflict do nothing;
  insert into public.chat_replies (message_id, session_id, user_id, attempt)
  values (
    new.id, new.session_id, new.user_id,
    -- Attempts go on where the ledger ended, whatever was done to the tables by hand.
    coalesce((select max(l.attempt) from public.external_api_call_logs l where l.message_id = new.id), 0));
  return null;
end
$$;
comment on function private.open_reply() is 'Opens the reply to a new question.';
revoke all on function private.open_reply() from public, anon, authenticated, service_role;

create trigger open_reply after insert on public.chat_messages
  for each row when (new.role = 'user') execute function private.open_reply();

-- Where unfinished replies come from stands the flood guard. It looks at each row of a bulk insert,
-- since the rows before it are there by then. The locks of order_message keep two inserts from passing together.
create function private.refuse_flood() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  per_session constant integer := 20;
  per_user constant integer := 100;
  in_session integer;
  of_user integer;
begin
  select count(*) into in_session from (
    select from public.chat_replies r
    where r.session_id = new.session_id and r.status in ('pending', 'answering')
    limit per_session) as unfinished;
  select count(*) into of_user from (
    select from public.chat_replies r
    where r.user_id = new.user_id and r.status in ('pending', 'answering')
    limit per_user) as unfinished;
  if in_session >= per_session or of_user >= per_user then
    raise sqlstate 'PT429'
      using message = 'Too many questions are waiting for an answer. Ask again when some are answered.',
        hint = 'too_many_pending';
  end if;
  -- By the reconciler's last look: this one would be given up for its age before its turn came.
  if exists (select from private.reconciler c where c.refuses_questions and c.last_run_at > now() - interval '3 min') then
    raise sqlstate 'PT429'
      using message = 'More questions are waiting than can be answered in time. Ask again in a few minutes.',
        hint = 'too_many_pending';
  end if;
  return new;
end
$$;
comment on function private.refuse_flood() is
  'At most 20 unfinished replies per session and 100 per user, and none while the whole queue is too long.';
revoke all on function private.refuse_flood() from public, anon, authenticated, service_role;

create trigger refuse_flood before insert on public.chat_replies
  for each row execute function private.refuse_flood();

create trigger refuse_flood_of_retries before update of status on public.chat_replies
  for each row when (old.status in ('completed', 'failed', 'cancelled') and new.status = 'pending')
  execute function private.refuse_flood();
