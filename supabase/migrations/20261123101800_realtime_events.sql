-- What Realtime is told. It is only ever a hint: the rows are the truth.
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

create trigger broadcast_opened_reply after insert on public.chat_replies
  for each row execute function private.broadcast_reply();

create trigger broadcast_reply after update of status, attempt on public.chat_replies
  for each row when ((old.status, old.attempt) is distinct from (new.status, new.attempt))
  execute function private.broadcast_reply();

comment on function private.send_wake_up() is 'Wakes the workers, without content, when a reply becomes due.';
comment on function private.broadcast_message() is 'Event message, {"record": the row}, to the session''s channel.';
comment on function private.broadcast_reply() is 'Event reply, {"record": what of the row tells how it is}, to the session''s channel.';

revoke all on function private.send_wake_up() from public, anon, authenticated, service_role;
revoke all on function private.broadcast_message() from public, anon, authenticated, service_role;
revoke all on function private.broadcast_reply() from public, anon, authenticated, service_role;
