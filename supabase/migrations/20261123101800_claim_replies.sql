-- The claim: what is due, in the order of place, each to one worker only, with all that is needed to answer it.

-- The caller has locked the row of the queue. Null: somebody else has locked the reply just now.
create function private.take_reply(
  due private.reply_queue, for_worker uuid, for_claim bigint, was_freed_just_now boolean
) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  reply public.chat_replies;
begin
  perform from public.chat_replies r where r.message_id = due.message_id for no key update skip locked;
  if not found then
    return null;
  end if;
  if was_freed_just_now then
    -- A row that is updated twice in one transaction has its foreign keys looked at: they would wait for whoever holds
    -- the session or the question.
    perform from public.chat_sessions s
    join public.chat_messages m on m.session_id = s.id
    where m.id = due.message_id
    for key share skip locked;
    if not found then
      return null;
    end if;
  end if;
  update private.reply_queue q
  set worker_id = for_worker, claim = for_claim, claimed_at = now(), attempt = q.attempt + 1, over_plan_since = null
  where q.session_id = due.session_id;
  update public.chat_replies r set status = 'answering', attempt = due.attempt + 1
  where r.message_id = due.message_id
  returning * into reply;
  perform private.open_call(reply, for_worker);
  perform private.note_place(reply.user_id, due.place);
  return jsonb_build_object(
    'message_id', reply.message_id,
    'session_id', reply.session_id,
    'user_id', reply.user_id,
    'attempt', reply.attempt,
    'version', reply.version,
    'calls_left', private.max_calls() - due.calls,
    'waiting_ms', round(extract(epoch from now() - due.waiting_since) * 1000)::bigint,
    'models', (private.plan_of(reply.user_id)).models,
    'context', private.reply_context(due.message_id));
end
$$;
comment on function private.take_reply(private.reply_queue, uuid, bigint, boolean) is 'Gives one due reply to a worker. Null: somebody else has locked it just now. was_freed_just_now: by this very transaction, perhaps.';
revoke all on function private.take_reply(private.reply_queue, uuid, bigint, boolean) from public, anon, authenticated, service_role;

-- A row that is due and cannot be taken: settled as failed, or set aside where even that raises.
-- What passes by itself leaves it as it was. Says what became of it: settled, set_aside or left.
create function private.settle_what_raises(due private.reply_queue, error_state text) returns text
language plpgsql
set search_path = ''
as $$
begin
  if private.is_passing(error_state) then
    return 'left';
  end if;
  if not private.lock_reply_at_once(due.message_id, with_session => true) then
    return 'left';
  end if;
  update public.chat_replies r set status = 'failed', error_code = 'internal' where r.message_id = due.message_id;
  return 'settled';
exception when others then
  if private.is_passing(sqlstate) then
    return 'left';
  end if;
  perform private.set_aside(due);
  return 'set_aside';
end
$$;
comment on function private.settle_what_raises(private.reply_queue, text) is
  'Settles a due reply as failed (internal) because the database raises an error for it.';
revoke all on function private.settle_what_raises(private.reply_queue, text) from public, anon, authenticated, service_role;

-- Stopped while its chat was locked by somebody else: the one thing that a due row may still wait for.
create function private.settle_stopped(due private.reply_queue) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  if not private.lock_reply_at_once(due.message_id, with_session => true) then
    return false;
  end if;
  perform private.settle_cancelled(due.message_id);
  return true;
end
$$;
comment on function private.settle_stopped(private.reply_queue) is 'Settles a due reply that its author has stopped; false: its chat is locked just now.';
revoke all on function private.settle_stopped(private.reply_queue) from public, anon, authenticated, service_role;

create function private.next_due_in_ms(for_worker private.workers) returns integer
language plpgsql stable
set search_path = ''
as $$
begin
  return (
    select ceil(extract(epoch from min(next.at) - now()) * 1000)::integer
    from (
      (select q.due_at as at from private.reply_queue q
        where q.worker_id is null and q.due_at > now() order by q.due_at limit 1)
      union all
      -- When what a silent worker holds may be taken from it.
      (select greatest(
          w.alive_until, for_worker.heard_since + make_interval(secs => for_worker.alive_seconds), now() + interval '100 ms')
        from private.workers w
        where w.id <> for_worker.id and exists (select from private.reply_queue q where q.worker_id = w.id))
    ) as next);
end
$$;
comment on function private.next_due_in_ms(private.workers) is 'Milliseconds until another reply may be due for this worker; null: none is known.';
revoke all on function private.next_due_in_ms(private.workers) from public, anon, authenticated, service_role;

create function private.claim_replies(worker_id uuid, claim bigint, max_replies integer) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  -- Each row takes two subtransactions, its block and that of its broadcast; a backend has room for 64.
  most integer := least(max_replies, 20);
  most_tried constant integer := 40;
  wanted integer;
  picked integer;
  tried integer := 0;
  looked_at uuid[] := '{}';
  is_alone boolean := false;
  has_buried boolean := false;
  has_put_off boolean := false;
  room text;
  me private.workers;
  is_free boolean;
  is_full boolean;
  due private.reply_queue;
  reply jsonb;
  claimed jsonb[] := '{}';
  fate text;
  refused jsonb := '{}';
  look_again_in_ms integer;
begin
  select * into me from private.workers w
  where w.id = claim_replies.worker_id and w.alive_until > now()
  for key share skip locked;
  if not found then
    return '{"alive": false, "replies": [], "next_due_in_ms": null, "refused": {}}';
  end if;
  select count(*) = 0, coalesce(bool_or(q.deaths + 1 >= private.max_deaths()), false) into is_free, is_full
  from private.reply_queue q where q.worker_id = me.id;
  if claim_replies.claim <= me.claims_known or is_full then
    -- Its worker has given this claim up, so that its answer is not awaited; or it holds what others have died of.
    most := 0;
  elsif private.bury_workers(me) > 0 then
    has_buried := true;
    look_again_in_ms := 0; -- there may be more of them
  end if;

  -- Once, usually. What cannot be taken is passed by: it takes no place of another, however often it comes first.
  while cardinality(claimed) < most and tried < most_tried and not is_alone loop
    wanted := least(most - cardinality(claimed), most_tried - tried);
    picked := 0;
    for due in
      select q.* from private.reply_queue q
      where q.worker_id is null and q.due_at <= now() and q.session_id <> all (looked_at)
      order by q.place, q.due_at
      limit wanted
      for update skip locked
    loop
      picked := picked + 1;
      looked_at := looked_at || due.session_id;
      if due.deaths + 1 >= private.max_deaths() and not (is_free and claimed = '{}') then
        continue; -- the next worker that dies of it ends it: that one must hold nothing else
      end if;
      tried := tried + 1;
      fate := 'locked';
      reply := null;
      begin
        if due.cancel_requested_at is not null then
          if private.settle_stopped(due) then
            fate := 'settled';
          end if;
        else
          room := private.room_for_reply(due.user_id);
          if room = 'room' then
            reply := private.take_reply(due, me.id, claim_replies.claim, has_buried);
          elsif room = 'none' then
            perform private.put_off(due);
            fate := 'put_off';
          end if;
        end if;
      exception when others then
        reply := null;
        fate := private.settle_what_raises(due, sqlstate);
        refused := jsonb_set(refused, array[fate], to_jsonb(coalesce((refused ->> fate)::integer, 0) + 1));
      end;
      if fate = 'settled' then
        look_again_in_ms := 0; -- the session's next reply is due by now
      elsif fate = 'put_off' then
        has_put_off := true;
      elsif reply is null and fate <> 'set_aside' then
        look_again_in_ms := coalesce(look_again_in_ms, 500);
      elsif reply is not null then
        claimed := claimed || reply;
        is_alone := due.deaths + 1 >= private.max_deaths();
        exit when is_alone;
      end if;
    end loop;
    exit when picked < wanted;
  end loop;
  if has_put_off and tried >= most_tried then
    look_again_in_ms := 0; -- behind these may be others that are due
  end if;

  return jsonb_build_object(
    'alive', true,
    'replies', to_jsonb(claimed),
    'next_due_in_ms', coalesce(look_again_in_ms, private.next_due_in_ms(me)),
    'refused', refused);
end
$$;
revoke all on function private.claim_replies(uuid, bigint, integer) from public, anon, authenticated, service_role;
grant execute on function private.claim_replies(uuid, bigint, integer) to service_role;

create function public.claim_replies(worker_id uuid, claim bigint, max_replies integer) returns jsonb
language sql
set search_path = ''
begin atomic
  select private.claim_replies(claim_replies.worker_id, claim_replies.claim, claim_replies.max_replies);
end;
comment on function public.claim_replies(uuid, bigint, integer) is
  'For the worker. Takes up to max_replies due replies, 20 at most: {"alive", "replies": [{message_id, session_id, user_id, attempt, version, calls_left, waiting_ms, context}], "next_due_in_ms": milliseconds until the next one may be due, or null, "refused": {"settled", "set_aside", "left": rows for which the database raised an error}}. claim: 1, 2, 3 … for each worker. alive false: not registered, or silent for too long.';
revoke all on function public.claim_replies(uuid, bigint, integer) from public, anon, authenticated, service_role;
grant execute on function public.claim_replies(uuid, bigint, integer) to service_role;
