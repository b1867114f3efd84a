-- What Realtime is told, and who may hear it. It is only ever a hint: the rows are the truth.
-- realtime.send runs with its caller's rights and turns every error into a warning, so these triggers are definers.

create function private.send_wake_up() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- Many questions of one statement are one wake-up.
  if tg_level = 'STATEMENT' then
    if not exists (select from queued q where q.worker_id is null and q.due_at <= now()) then
      return null;
    end if;
  end if;
  perform realtime.send('{}'::jsonb, 'wake_up', 'chat:worker', true);
  return null;
end
$$;
comment on function private.send_wake_up() is 'Wakes the workers, without content, when a reply becomes due.';
revoke all on function private.send_wake_up() from public, anon, authenticated, service_role;

-- Never left out because another was sent a moment ago: this row may be seen only after whoever was woken then has
-- looked.
create trigger send_wake_up after insert on private.reply_queue
  referencing new table as queued
  for each statement execute function private.send_wake_up();

-- What was given back or taken from a dead worker. For each row: a claim updates many, and is nothing to wake for.
create trigger send_wake_up_again after update on private.reply_queue
  for each row when (
    new.worker_id is null and new.due_at <= now() and (old.worker_id is not null or old.due_at > now()))
  execute function private.send_wake_up();

create function private.broadcast_message() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  payload jsonb := jsonb_build_object('record', to_jsonb(new));
begin
  -- Realtime drops what is too large without a word; a client that sees the mark reads the row.
  if octet_length(new.content) > 64 * 1024 then
    payload := jsonb_set(payload, '{record,content}', 'null') || '{"truncated": true}';
  end if;
  perform realtime.send(payload, 'message', 'chat:' || new.session_id::text, true);
  return null;
end
$$;
comment on function private.broadcast_message() is 'Event message, {"record": the row}, to the session''s channel.';
revoke all on function private.broadcast_message() from public, anon, authenticated, service_role;

create trigger broadcast_message after insert on public.chat_messages
  for each row execute function private.broadcast_message();

create function private.broadcast_reply() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- Three for each question lie in Realtime's table for days: only what a page follows a reply by.
  perform realtime.send(
    jsonb_build_object('record', jsonb_build_object(
      'message_id', new.message_id, 'status', new.status, 'attempt', new.attempt, 'version', new.version,
      'error_code', new.error_code)),
    'reply', 'chat:' || new.session_id::text, true);
  return null;
end
$$;
comment on function private.broadcast_reply() is 'Event reply, {"record": what of the row tells how it is}, to the session''s channel.';
revoke all on function private.broadcast_reply() from public, anon, authenticated, service_role;

create trigger broadcast_opened_reply after insert on public.chat_replies
  for each row execute function private.broadcast_reply();

create trigger broadcast_reply after update of status, attempt on public.chat_replies
  for each row when ((old.status, old.attempt) is distinct from (new.status, new.attempt))
  execute function private.broadcast_reply();

-- A chat that is archived, reopened or deleted on one device tells the others, over its own channel.
create function private.broadcast_session() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform realtime.send(
    jsonb_build_object('record', case when tg_op = 'DELETE' then null else to_jsonb(new) end),
    'session', 'chat:' || old.id::text, true);
  return null;
end
$$;
comment on function private.broadcast_session() is
  'Event session, {"record": the row, or null when it was deleted}, to the session''s channel.';
revoke all on function private.broadcast_session() from public, anon, authenticated, service_role;

create trigger broadcast_session after update of status on public.chat_sessions
  for each row when (old.status is distinct from new.status) execute function private.broadcast_session();

create trigger broadcast_deleted_session after delete on public.chat_sessions
  for each row execute function private.broadcast_session();

-- Who hears and who speaks on our channels: chat:worker and chat:<session id>.
-- Policies compare the row's topic as text: it is what a message is delivered by, and it never fails to cast.

-- A definer, and everybody may execute it: whoever asks, also a role of the project's own that may not read
-- chat_sessions, gets an answer and no error, and it says nothing of anybody but the caller.
create function private.is_own_channel(topic text) returns boolean
language sql stable security definer
set search_path = ''
begin atomic
  select exists (
    select from public.chat_sessions s
    where s.user_id = (select auth.uid()) and is_own_channel.topic = 'chat:' || s.id::text);
end;
comment on function private.is_own_channel(text) is 'Whether the topic is that of one of the caller''s own chats.';
revoke all on function private.is_own_channel(text) from public, anon, authenticated, service_role;
-- A policy is checked with the rights of whoever meets it, and these meet every role.
grant execute on function private.is_own_channel(text) to public;

create policy "Owners hear their chat sessions" on realtime.messages
  for select to authenticated
  using (extension = 'broadcast' and private.is_own_channel(topic));

-- Policies are OR-ed, and many projects allow everything here, some to roles of their own. These are AND-ed with
-- whatever there is, for every role, and they touch no other topic.
create policy "Nobody else hears chat sessions or the worker" on realtime.messages
  as restrictive for select to public
  using (
    topic !~* '^chat:(worker|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$' or private.is_own_channel(topic)
  );

create policy "Only the database and the worker speak in chat sessions" on realtime.messages
  as restrictive for insert to public
  with check (topic !~* '^chat:(worker|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$');

-- What is replayed is read from here: nobody changes it, or makes it of what was said elsewhere.
create policy "Nobody changes what was said in chat sessions" on realtime.messages
  as restrictive for update to public
  using (topic !~* '^chat:(worker|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$');

-- A plain postgres_changes subscription works too, under the same row-level security.
do $$
begin
  if exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime' and not puballtables) then
    alter publication supabase_realtime add table public.chat_messages, public.chat_replies;
  end if;
end
$$;
