-- A reply's status is the one lever: functions move it, and so may an operator in the dashboard.
-- The guard before it allows only legal changes; the follower behind it keeps the queue in step.

-- By hand, a reply or a message is locked before its session. Whoever waited for the session then would wait in a
-- ring with a function that locks in order; so it is taken at once, or the change is refused with a sentence.
-- In a function that holds the session's lock already, this does nothing.
create function private.lock_session_at_once(of_session uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform from public.chat_sessions s where s.id = of_session for no key update nowait;
exception when lock_not_available then
  raise sqlstate 'PT429'
    using message = 'Something else is happening in this chat at this moment. Try again in a second.', hint = 'busy';
end
$$;
comment on function private.lock_session_at_once(uuid) is
  'For changes by hand, which have locked something of the session already: takes its lock, or refuses with 429 busy.';
revoke all on function private.lock_session_at_once(uuid) from public, anon, authenticated, service_role;

create function private.guard_reply_status() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  legal constant jsonb := '{
    "pending": ["answering", "failed", "cancelled"],
    "answering": ["pending", "completed", "failed", "cancelled"],
    "completed": [],
    "failed": ["pending"],
    "cancelled": ["pending"]}';
  -- A next version is asked for: the one way out of completed.
  is_next_version constant boolean := new.version = old.version + 1 and new.status = 'pending'
    and old.status in ('completed', 'cancelled')
    and exists (select from public.chat_messages m where m.reply_to = new.message_id and m.version = old.version);
  answered boolean;
begin
  if new.version <> old.version and not is_next_version then
    raise sqlstate 'PT409'
      using message = 'A version is only followed by the next one, once it has its answer, and by becoming pending.',
        hint = 'reply_state';
  end if;
  if is_next_version and new.version > private.max_versions() then
    raise sqlstate 'PT409'
      using message = format('This answer has %s versions already, and gets no more.', old.version),
        hint = 'too_many_versions';
  end if;
  if not is_next_version and not legal -> old.status ? new.status then
    raise sqlstate 'PT409'
      using message = format('A reply that is %s cannot become %s.', old.status, new.status),
        detail = format('From %s it may become: %s.', old.status, coalesce(
          (select string_agg(s, ', ') from jsonb_array_elements_text(legal -> old.status) as s),
          'pending, with the next version')),
        hint = 'reply_state';
  end if;
  -- Between pending and answering no other reply of the session is concerned, and a claim must not wait for it.
  if old.status not in ('pending', 'answering') or new.status not in ('pending', 'answering') then
    perform private.lock_session_at_once(new.session_id);
  end if;

  answered := new.status in ('completed', 'pending') and exists (
    select from public.chat_messages m where m.reply_to = new.message_id and m.version = new.version);
  if new.status = 'completed' and not answered then
    raise sqlstate 'PT409' using message = 'A reply without an answer cannot be completed.', hint = 'reply_state';
  end if;
  if new.status = 'pending' and answered then
    raise sqlstate 'PT409'
      using message = 'This question has its answer: what was shown before it was stopped.', hint = 'reply_state';
  end if;
  if new.status = 'pending' and old.status <> 'answering' and exists (
    select from public.chat_messages m where m.replaces = new.message_id)
  then
    raise sqlstate 'PT409' using message = 'This question was replaced by another.', hint = 'reply_state';
  end if;

  new.error_code := case when new.status = 'failed' then coalesce(new.error_code, 'internal') end;
  if new.status = 'pending' and old.status <> 'answering' then
    new.pending_since := now();
  end if;
  new.started_at := case when new.status <> 'pending' then new.started_at end;
  new.finished_at := case when new.status not in ('pending', 'answering') then now() end;
  return new;
end
$$;
comment on function private.guard_reply_status() is 'Allows only legal changes of status, says which, and stamps the times.';
revoke all on function private.guard_reply_status() from public, anon, authenticated, service_role;

-- The one change that a claim makes, for each of its rows, apart: nothing else is to be asked for it.
create function private.guard_claim() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if not exists (
    select from private.reply_queue q where q.message_id = new.message_id and q.worker_id is not null)
  then
    raise sqlstate 'PT409'
      using message = 'Only a worker that has claimed a reply can set it to answering.', hint = 'reply_state';
  end if;
  new.started_at := now();
  return new;
end
$$;
comment on function private.guard_claim() is 'Only a worker''s claim makes a pending reply answering.';
revoke all on function private.guard_claim() from public, anon, authenticated, service_role;

create trigger guard_claim before update of status on public.chat_replies
  for each row when (old.status = 'pending' and new.status = 'answering' and old.version = new.version)
  execute function private.guard_claim();

create trigger guard_reply_status before update of status, version on public.chat_replies
  for each row when (
    (old.status, old.version) is distinct from (new.status, new.version)
    and not (old.status = 'pending' and new.status = 'answering' and old.version = new.version))
  execute function private.guard_reply_status();

create function private.enqueue_next_reply(of_session uuid) returns void
language sql
set search_path = ''
begin atomic
  insert into private.reply_queue (session_id, user_id, message_id, attempt, place)
  select r.session_id, r.user_id, r.message_id, r.attempt, private.next_place(r.user_id)
  from public.chat_replies r
  join public.chat_messages m on m.id = r.message_id
  where r.session_id = of_session and r.status = 'pending'
    and not exists (select from private.reply_queue q where q.session_id = of_session)
  order by m.turn
  limit 1
  on conflict (session_id) do nothing;
end;
comment on function private.enqueue_next_reply(uuid) is
  'Puts the pending reply of the lowest turn in the queue, unless the session has one there. The caller holds the session''s lock.';
revoke all on function private.enqueue_next_reply(uuid) from public, anon, authenticated, service_role;

create function private.follow_reply_status() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if new.status in ('completed', 'failed', 'cancelled') then
    delete from private.draft_pieces d where d.message_id = new.message_id;
    delete from private.reply_queue q where q.message_id = new.message_id;
    -- Settled by hand while its worker is dead: nobody else would close the row of its call.
    perform private.lose_call(new.message_id);
  elsif new.status = 'pending' then
    -- Whatever an attempt wrote ends with it.
    delete from private.draft_pieces d where d.message_id = new.message_id;
    -- Set back by hand while a worker holds it: its claim is over, and it is due at once.
    update private.reply_queue q set worker_id = null, claim = null, claimed_at = null, due_at = now()
    where q.message_id = new.message_id and q.worker_id is not null;
    if found then
      perform private.lose_call(new.message_id);
    end if;
  end if;
  if new.status <> 'answering' then
    perform private.enqueue_next_reply(new.session_id);
  end if;
  return null;
end
$$;
comment on function private.follow_reply_status() is 'Keeps queue and draft in step with the status, whoever changed it.';
revoke all on function private.follow_reply_status() from public, anon, authenticated, service_role;

create trigger follow_opened_reply after insert on public.chat_replies
  for each row execute function private.follow_reply_status();

create trigger follow_reply_status after update of status on public.chat_replies
  for each row when (old.status is distinct from new.status) execute function private.follow_reply_status();

-- Session, queue, replies: left to the foreign keys, a session that is deleted would take its replies first, and
-- wait in a ring with a claim that holds its row of the queue.
create function private.leave_queue() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  in_flight uuid;
begin
  delete from private.reply_queue q where q.session_id = old.id returning q.message_id into in_flight;
  perform private.lose_call(in_flight);
  return old;
end
$$;
comment on function private.leave_queue() is 'Takes a session that is deleted out of the queue before anything else of it goes.';
revoke all on function private.leave_queue() from public, anon, authenticated, service_role;

create trigger leave_queue before delete on public.chat_sessions
  for each row execute function private.leave_queue();

-- A message that is deleted by hand, in the same order as far as it goes.
create function private.leave_session() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.lock_session_at_once(old.session_id);
  delete from private.reply_queue q where q.message_id = old.id;
  perform private.lose_call(old.id);
  return old;
end
$$;
comment on function private.leave_session() is 'Takes a question that is deleted by hand out of the queue.';
revoke all on function private.leave_session() from public, anon, authenticated, service_role;

create trigger leave_session before delete on public.chat_messages
  for each row when (old.role = 'user') execute function private.leave_session();

create function private.follow_deleted_reply() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  delete from private.draft_pieces d where d.message_id = old.message_id;
  -- Not where the session goes as well: its other replies are about to go, too.
  if exists (select from public.chat_sessions s where s.id = old.session_id) then
    perform private.enqueue_next_reply(old.session_id);
  end if;
  return null;
end
$$;
comment on function private.follow_deleted_reply() is 'Queues the next reply of a session when one is deleted by hand.';
revoke all on function private.follow_deleted_reply() from public, anon, authenticated, service_role;

create trigger follow_deleted_reply after delete on public.chat_replies
  for each row execute function private.follow_deleted_reply();
