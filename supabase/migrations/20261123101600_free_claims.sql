-- How a claim ends without an answer: given back, taken from a dead worker, released. One row at a time, each in a
-- block of its own, so that no row stops the others; and no lock is waited for.

-- Troubles that pass by themselves: connections, deadlocks, locks, resources, an operator's stop. They say
-- nothing about the row at which they are met.
create function private.is_passing(error_state text) returns boolean
language sql immutable
set search_path = ''
return left(error_state, 2) in ('08', '40', '53', '55', '57');
comment on function private.is_passing(text) is 'Whether an error of this SQLSTATE passes by itself, and is not the row''s own.';
revoke all on function private.is_passing(text) from public, anon, authenticated, service_role;

-- All that freeing or settling a reply writes, but for its row of the queue, which the caller has locked. What somebody
-- else holds, an operator in the dashboard perhaps, is never waited for: everybody else's replies would wait as well.
create function private.lock_reply_at_once(of_message uuid, with_session boolean) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  of_session uuid;
  waiting integer;
  free integer;
begin
  if with_session then
    select s.id into of_session from public.chat_sessions s
    join public.chat_messages m on m.session_id = s.id
    where m.id = of_message
    for no key update of s skip locked
    for key share of m skip locked;
    if not found then
      return false;
    end if;
    -- Settling puts the session's next in the queue, and its foreign key looks at that reply.
    select count(*) into waiting from public.chat_replies r where r.session_id = of_session and r.status = 'pending';
    perform from public.chat_replies r where r.session_id = of_session and r.status = 'pending' for key share skip locked;
    get diagnostics free = row_count;
    if free < waiting then
      return false;
    end if;
  end if;
  perform from public.chat_replies r where r.message_id = of_message for no key update skip locked;
  if not found then
    return false;
  end if;
  perform from public.external_api_call_logs l
  where l.message_id = of_message and l.outcome in ('claimed', 'started')
  for update skip locked;
  return found or not exists (
    select from public.external_api_call_logs l
    where l.message_id = of_message and l.outcome in ('claimed', 'started'));
end
$$;
comment on function private.lock_reply_at_once(uuid, boolean) is
  'Locks a reply and the open row of its call, and before them its session, its question and what waits behind it if asked for. False: somebody else holds one of them.';
revoke all on function private.lock_reply_at_once(uuid, boolean) from public, anon, authenticated, service_role;

create function private.free_claim(
  held private.reply_queue, due_in double precision, worker_died boolean, counts_call boolean
) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  calls_made integer := held.calls;
  workers_died constant integer := held.deaths + worker_died::integer;
begin
  -- Settling concerns the session, whose lock comes before the queue's: so it is never waited for here.
  if not private.lock_reply_at_once(
    held.message_id,
    with_session => held.cancel_requested_at is not null or workers_died >= private.max_deaths()
      or calls_made + 1 >= private.max_calls())
  then
    return false;
  end if;

  calls_made := calls_made + (private.lose_call(held.message_id) and counts_call)::integer;
  if held.cancel_requested_at is not null then
    perform private.settle_cancelled(held.message_id);
  elsif workers_died >= private.max_deaths() then
    update public.chat_replies r set status = 'failed', error_code = 'internal' where r.message_id = held.message_id;
  elsif calls_made >= private.max_calls() then
    update public.chat_replies r set status = 'failed', error_code = 'out_of_tries' where r.message_id = held.message_id;
  else
    update private.reply_queue q
    set worker_id = null, claim = null, claimed_at = null,
      -- Due again at once, it stands where it stood: not behind whoever came while it was held.
      due_at = case when due_in > 0 then now() + make_interval(secs => due_in) else least(q.due_at, now()) end,
      waiting_since = q.waiting_since + (now() - coalesce(q.claimed_at, now())),
      calls = calls_made, deaths = workers_died,
      -- What two workers have died of is asked last, and alone: see claim_replies.
      place = case when worker_died and workers_died + 1 >= private.max_deaths()
        then (select max(other.place) + 1 from private.reply_queue other) else q.place end
    where q.session_id = held.session_id;
    delete from private.draft_pieces d where d.message_id = held.message_id;
    update public.chat_replies r set status = 'pending' where r.message_id = held.message_id;
  end if;
  return true;
end
$$;
comment on function private.free_claim(private.reply_queue, double precision, boolean, boolean) is
  'Frees one held row of the queue, which the caller has locked: due again (counts_call: a call that was under way counts towards its calls), or settled where that was asked for or nothing is left to try. False: somebody else has locked a part of it; try again.';
revoke all on function private.free_claim(private.reply_queue, double precision, boolean, boolean)
  from public, anon, authenticated, service_role;

-- free_claim in a block of its own. What cannot be freed, whatever is tried, is set aside: it is out of everybody's
-- way for five minutes, and the reconciler sees what is wrong with it.
create function private.try_to_free(
  held private.reply_queue, due_in double precision default 0, worker_died boolean default false,
  counts_call boolean default true
) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  return private.free_claim(held, due_in, worker_died, counts_call);
exception when others then
  if private.is_passing(sqlstate) then
    return false;
  end if;
  perform private.set_aside(held);
  return true;
end
$$;
comment on function private.try_to_free(private.reply_queue, double precision, boolean, boolean) is
  'free_claim, without any error of the row. True: the row is not held any more.';
revoke all on function private.try_to_free(private.reply_queue, double precision, boolean, boolean)
  from public, anon, authenticated, service_role;

create function private.bury_workers(by_worker private.workers) returns integer
language plpgsql
set search_path = ''
as $$
declare
  most constant integer := 20;
  dead private.workers;
  held private.reply_queue;
  freed integer := 0;
begin
  if by_worker.heard_since > now() - make_interval(secs => by_worker.alive_seconds) then
    return 0;
  end if;
  for dead in
    select w.* from private.workers w
    where w.alive_until <= now() and w.id <> by_worker.id
    order by w.alive_until
    limit most
    for update skip locked
  loop
    -- From here on no beat brings it back.
    update private.workers w set alive_until = '-infinity' where w.id = dead.id;
    for held in
      select q.* from private.reply_queue q where q.worker_id = dead.id
      order by q.place limit most - freed for update skip locked
    loop
      freed := freed + private.try_to_free(held, worker_died => not dead.is_leaving, counts_call => not dead.is_leaving)::integer;
    end loop;
    delete from private.workers w
    where w.id = dead.id and not exists (select from private.reply_queue q where q.worker_id = dead.id);
    exit when freed >= most;
  end loop;
  return freed;
end
$$;
comment on function private.bury_workers(private.workers) is
  'Takes from workers that were not heard for their life what they hold, at most 20 rows. Answers how many.';
revoke all on function private.bury_workers(private.workers) from public, anon, authenticated, service_role;

-- What was shown is kept when a reply is stopped, by a worker or for a dead one.
create function private.insert_answer(
  of_reply public.chat_replies, content text, finish_reason text, call public.external_api_call_logs
) returns void
language sql
set search_path = ''
begin atomic
  insert into public.chat_messages (role, reply_to, version, content, finish_reason, model, tokens_used, session_id)
  values (
    'assistant', of_reply.message_id, of_reply.version, insert_answer.content, insert_answer.finish_reason,
    call.model_version,
    case when call.prompt_tokens is not null then
      call.prompt_tokens + coalesce(call.candidate_tokens, 0) + coalesce(call.thought_tokens, 0) end,
    of_reply.session_id);
end;
comment on function private.insert_answer(public.chat_replies, text, text, public.external_api_call_logs) is
  'Stores the assistant row of the reply''s present version.';
revoke all on function private.insert_answer(public.chat_replies, text, text, public.external_api_call_logs)
  from public, anon, authenticated, service_role;

create function private.settle_cancelled(of_message uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  reply public.chat_replies;
  shown text;
begin
  select * into strict reply from public.chat_replies r where r.message_id = of_message;
  -- Of this attempt and version alone: another's text was never an answer to this.
  shown := private.draft_text(reply.message_id, reply.attempt, reply.version);
  if shown <> '' then
    perform private.insert_answer(reply, shown, 'cancelled', null);
  end if;
  update public.chat_replies r set status = 'cancelled' where r.message_id = of_message;
end
$$;
comment on function private.settle_cancelled(uuid) is
  'Settles a reply as cancelled, with its draft as the answer. The caller holds the session''s lock.';
revoke all on function private.settle_cancelled(uuid) from public, anon, authenticated, service_role;

-- What it takes to stop a reply, for every command that does so.
create function private.stop_reply(of_message uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- The queue before the reply, as in every settle: a claim of this very row would wait for us in a ring.
  perform from private.reply_queue q where q.message_id = of_message for update;
  -- A worker that lives is asked, and keeps what it has shown; where none does, the draft is all there is.
  update private.reply_queue q set cancel_requested_at = coalesce(q.cancel_requested_at, now())
  where q.message_id = of_message
    and exists (select from private.workers w where w.id = q.worker_id and w.alive_until > now());
  if not found then
    perform private.lose_call(of_message);
    perform private.settle_cancelled(of_message);
  end if;
end
$$;
comment on function private.stop_reply(uuid) is
  'Stops a reply under way: at once, or by asking the worker that holds it. The caller holds the session''s lock.';
revoke all on function private.stop_reply(uuid) from public, anon, authenticated, service_role;
