-- Nothing falls out of the queue. Once a minute for the project, rows that contradict each other are looked for and
-- mended, both ways, each under its session's lock and after a second look: without it, every settle under way would
-- be counted. What is mended is a defect somewhere else: the count must stay 0. It also ends what is too old, and adds up the figures.

create table private.reconciler (
  id boolean primary key default true,
  last_run_at timestamptz not null default '-infinity',
  mended bigint not null default 0,
  set_aside bigint not null default 0,
  refuses_questions boolean not null default false,
  constraint one_row check (id)
);

insert into private.reconciler default values;

comment on table private.reconciler is 'One row: what the reconciler has found.';
comment on column private.reconciler.mended is 'Replies without a place in the queue and places without a reply that were mended. Must stay 0.';
comment on column private.reconciler.set_aside is 'How often a row of the queue was put off, or could not be mended, because the database raised an error for it.';
comment on column private.reconciler.refuses_questions is
  'At the pace of the last minute, a new question would be given up for its age before its turn came.';

revoke all on table private.reconciler from public, anon, authenticated, service_role;
alter table private.reconciler enable row level security;

-- Whoever holds the count, to set it back perhaps, is not waited for either: then this one is not counted.
create function private.count_set_aside() returns void
language sql
set search_path = ''
begin atomic
  update private.reconciler c set set_aside = c.set_aside + 1
  where c.id in (select free.id from private.reconciler free for no key update skip locked);
end;
comment on function private.count_set_aside() is 'Counts one row for which the database raises whatever is tried.';
revoke all on function private.count_set_aside() from public, anon, authenticated, service_role;

create function private.set_aside(due private.reply_queue) returns void
language sql
set search_path = ''
begin atomic
  update private.reply_queue q
  set worker_id = null, claim = null, claimed_at = null, due_at = now() + interval '5 min'
  where q.session_id = due.session_id;
  select private.count_set_aside();
end;
comment on function private.set_aside(private.reply_queue) is 'Puts a row off for five minutes that raises whatever is tried, and counts it.';
revoke all on function private.set_aside(private.reply_queue) from public, anon, authenticated, service_role;

-- A session with something unfinished has a row in the queue, for a reply that is unfinished, with a worker that is
-- known if and only if the reply is being answered.
create function private.contradictions(of_session uuid default null)
returns table (session_id uuid)
language sql stable
set search_path = ''
begin atomic
  select r.session_id
  from public.chat_replies r
  where r.status in ('pending', 'answering') and (of_session is null or r.session_id = of_session)
    and not exists (select from private.reply_queue q where q.session_id = r.session_id)
  union
  select q.session_id
  from private.reply_queue q
  join public.chat_replies r on r.message_id = q.message_id
  where (of_session is null or q.session_id = of_session)
    and (r.status not in ('pending', 'answering') or (r.status = 'answering') <> (q.worker_id is not null)
      or q.worker_id is not null and not exists (select from private.workers w where w.id = q.worker_id));
end;
comment on function private.contradictions(uuid) is
  'Sessions whose unfinished replies and whose row in the queue contradict each other, by one snapshot.';
revoke all on function private.contradictions(uuid) from public, anon, authenticated, service_role;

create function private.mend(of_session uuid) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  perform from public.chat_sessions s where s.id = of_session for no key update skip locked;
  if not found then
    return false;
  end if;
  perform from private.reply_queue q where q.session_id = of_session for update skip locked;
  if not found and exists (select from private.reply_queue q where q.session_id = of_session) then
    return false;
  end if;
  if not exists (select from private.contradictions(of_session)) then
    return false;
  end if;
  if exists (
    select from public.chat_replies r
    where r.session_id = of_session and r.status in ('pending', 'answering')
      and not private.lock_reply_at_once(r.message_id, with_session => false))
  then
    return false;
  end if;
  perform private.lose_call(r.message_id) from public.chat_replies r
  where r.session_id = of_session and r.status = 'answering';
  delete from private.reply_queue q
  using public.chat_replies r
  where q.session_id = of_session and r.message_id = q.message_id and r.status not in ('pending', 'answering');
  update private.reply_queue q
  set worker_id = null, claim = null, claimed_at = null, due_at = least(q.due_at, now())
  where q.session_id = of_session;
  -- Every status that has no worker behind it; then the next one has its place, if none had.
  update public.chat_replies r set status = 'pending' where r.session_id = of_session and r.status = 'answering';
  perform private.enqueue_next_reply(of_session);
  update private.reconciler c set mended = c.mended + 1;
  return true;
exception when others then
  if not private.is_passing(sqlstate) then
    perform private.count_set_aside();
  end if;
  return false;
end
$$;
comment on function private.mend(uuid) is 'Looks again under the session''s lock, and mends what contradicts itself.';
revoke all on function private.mend(uuid) from public, anon, authenticated, service_role;

create function private.end_what_is_too_old(old private.reply_queue) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  if not private.lock_reply_at_once(old.message_id, with_session => true) then
    return false;
  end if;
  if old.cancel_requested_at is not null then
    perform private.settle_cancelled(old.message_id);
  else
    update public.chat_replies r set status = 'failed', error_code = 'waited_too_long'
    where r.message_id = old.message_id;
  end if;
  return true;
exception when others then
  if not private.is_passing(sqlstate) then
    perform private.set_aside(old);
  end if;
  return false;
end
$$;
comment on function private.end_what_is_too_old(private.reply_queue) is 'Settles a waiting reply as failed (waited_too_long).';
revoke all on function private.end_what_is_too_old(private.reply_queue) from public, anon, authenticated, service_role;

-- What was answered in a minute is what can be answered in one only if there was always something to answer: a crowd
-- that comes to a project at rest is not refused.
create function private.refuse_questions(max_wait_seconds double precision) returns void
language sql
set search_path = ''
begin atomic
  update private.reconciler c
  set refuses_questions = queue.waiting > 20 and queue.waiting * 60.0 > max_wait_seconds * answered.last_minute
    and answered.last_minute > 0 and coalesce(queue.due_and_waiting_since < now() - interval '1 min', false)
  from
    (select count(*) as waiting, min(q.waiting_since) filter (where q.due_at <= now()) as due_and_waiting_since
      -- What one user has above their plan waits for that user's own replies.
      from private.reply_queue q where q.worker_id is null and q.over_plan_since is null) as queue,
    (select count(*) as last_minute from public.external_api_call_logs l
      where l.started_at > now() - interval '10 min' and l.finished_at > now() - interval '1 min'
        and l.outcome in ('ok', 'cancelled')) as answered;
end;
comment on function private.refuse_questions(double precision) is
  'Notes whether the queue is longer than what can be answered within the greatest age, at the pace of the last minute.';
revoke all on function private.refuse_questions(double precision) from public, anon, authenticated, service_role;

create function private.reconcile_replies(max_wait_seconds double precision, every_seconds double precision)
returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  most constant integer := 20;
  found_session uuid;
  old private.reply_queue;
  looked integer := 0;
  mended integer := 0;
  ended integer := 0;
begin
  perform from private.reconciler c
  where c.last_run_at <= now() - make_interval(secs => every_seconds)
  for no key update skip locked;
  if not found then
    return null;
  end if;

  for found_session in select c.session_id from private.contradictions() as c limit most loop
    mended := mended + private.mend(found_session)::integer;
  end loop;

  for old in
    select q.* from private.reply_queue q
    where q.worker_id is null and q.waiting_since < now() - make_interval(secs => max_wait_seconds)
    -- The last in line first: what a worker claims meanwhile is still what is due to it, each user's in turn.
    order by q.place desc limit most for update skip locked
  loop
    looked := looked + 1;
    ended := ended + private.end_what_is_too_old(old)::integer;
  end loop;

  perform private.refuse_questions(max_wait_seconds);
  perform private.count_up();
  -- For a project whose workers do not know of it yet: theirs do so every few seconds.
  perform private.add_up_spend();
  -- A full hand: there is more of it, and the next call goes on at once.
  if looked < most or ended = 0 then
    update private.reconciler c set last_run_at = now();
  end if;
  return jsonb_build_object('mended', mended, 'ended', ended, 'more', looked = most and ended > 0);
end
$$;
revoke all on function private.reconcile_replies(double precision, double precision)
  from public, anon, authenticated, service_role;
grant execute on function private.reconcile_replies(double precision, double precision) to service_role;

create function public.reconcile_replies(max_wait_seconds double precision, every_seconds double precision)
returns jsonb
language sql
set search_path = ''
begin atomic
  select private.reconcile_replies(reconcile_replies.max_wait_seconds, reconcile_replies.every_seconds);
end;
comment on function public.reconcile_replies(double precision, double precision) is
  'For the worker. Mends the queue, ends what has waited for more than max_wait_seconds and adds up the figures, unless somebody has done so within every_seconds: null then. {"mended", "ended", "more": call again at once}.';
revoke all on function public.reconcile_replies(double precision, double precision)
  from public, anon, authenticated, service_role;
grant execute on function public.reconcile_replies(double precision, double precision) to service_role;
