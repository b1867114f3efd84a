-- A user's command holds a connection of the API's pool, and locks, until it ends. Sixty of one user at a time would
-- take the whole pool from everybody else, most of them waiting for each other. So three of a user are inside at
-- a time; the fourth is refused at once, and those three wait 300 ms at most for a lock.

create function private.refuse_busy() returns void
language plpgsql
set search_path = ''
as $$
begin
  raise sqlstate 'PT429'
    using message = 'More than three of your commands are under way, or one of them takes long. Try again in a second.',
      hint = 'busy';
end
$$;
comment on function private.refuse_busy() is 'Refuses a command with 429 busy.';
revoke all on function private.refuse_busy() from public, anon, authenticated, service_role;

create function private.enter_command() returns void
language plpgsql
set search_path = ''
as $$
declare
  caller constant text := (select auth.uid())::text;
begin
  if caller is null then
    return; -- the service, the dashboard
  end if;
  for place in 1..3 loop
    -- Until the end of the transaction. A transaction with several commands has one place: the lock is its own already.
    if pg_catalog.pg_try_advisory_xact_lock(
      pg_catalog.hashtext('chat command ' || place), pg_catalog.hashtext(caller))
    then
      return;
    end if;
  end loop;
  perform private.refuse_busy();
end
$$;
comment on function private.enter_command() is 'Takes one of the three places of the caller, or refuses with 429 busy.';
revoke all on function private.enter_command() from public, anon, authenticated, service_role;

create function private.enter_command_of_statement() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.enter_command();
  return null;
end
$$;
comment on function private.enter_command_of_statement() is 'A command that is a plain insert, update or delete takes its place.';
revoke all on function private.enter_command_of_statement() from public, anon, authenticated, service_role;

-- Before any row is looked at, let alone locked.
create trigger enter_command before insert on public.chat_messages
  for each statement execute function private.enter_command_of_statement();
create trigger enter_command before insert or update or delete on public.chat_sessions
  for each statement execute function private.enter_command_of_statement();

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
comment on function private.lock_user(uuid) is
  'Locks a user for a command, for which it waits 300 ms at most; refuses with 429 busy.';
revoke all on function private.lock_user(uuid) from public, anon, authenticated, service_role;

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
comment on function private.lock_session(uuid, uuid) is
  'Locks user and session for a command, for which it waits 300 ms at most; refuses with 429 busy.';
revoke all on function private.lock_session(uuid, uuid) from public, anon, authenticated, service_role;
